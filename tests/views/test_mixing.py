"""Mixup and cutmix: torchvision's pixels, boxes and shares for the same ratios, which follow a Beta distribution."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from views.fixtures.make_plans_v1 import pixels_of

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.abc import check_order
from dgkd_cache.views.mixing import RATIOS, Cutmix, Mixing, Mixup
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import parse_transform, transform_from_dict
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.transforms import Hflip

WORDS = philox_words(bytes(16), view=8, domain=0, first_block=0, blocks=30_000).reshape(-1, 3)


def pictures(samples: int, size: tuple[int, int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(samples)
    return torch.randint(0, 256, (samples, 3, *size), generator=generator, dtype=torch.uint8)


def test_a_mixup_is_the_rounded_integer_sum_for_all_levels_at_all_kinds_of_ratios() -> None:
    own, partner = (x.reshape(1, 1, 256, 256) for x in np.meshgrid(np.arange(256), np.arange(256)))
    ratios = [0, 1, 2, 255, 256, 257, 21_845, 32_767, 32_768, 32_769, 43_690, 65_279, 65_534, 65_535, 65_536]
    table = sorted(ratios + [7 * place for place in range(RATIOS - len(ratios))])
    mixup = Mixup("1", 0, tuple(table))
    pair = torch.from_numpy(np.concatenate([own, partner]).astype(np.uint8))
    for ratio in ratios:
        found = mixup.apply(pair, np.array([[0, table.index(ratio)]])).numpy()
        assert np.array_equal(found, (own * ratio + partner * (65536 - ratio) + 32768) >> 16), ratio


def test_a_mixup_is_torchvisions_rounded() -> None:
    """Its transform rolls the batch by one: sample i is mixed with sample i - 1."""
    mixup, images = Mixup("0.4"), pictures(6, (9, 7))
    rows = np.stack([np.zeros(6, np.int64), np.full(6, 300)], axis=1)
    found = mixup.apply(torch.cat([images, images.roll(1, 0)]), rows)
    share = mixup.share(rows, 9, 7)[0]
    expected = v2.MixUp(num_classes=3).transform(
        images.float(), {"lam": share, "labels": torch.zeros(6, dtype=torch.int64), "batch_size": 6}
    )
    assert torch.equal(found, (expected.double() + 0.5).floor().to(torch.uint8))


@pytest.mark.parametrize("size", [(32, 32), (9, 14), (224, 100), (1, 5)])
def test_boxes_and_shares_of_a_cutmix_are_torchvisions(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the ratio and the centre, which it draws as row and column."""
    height, width = size
    cutmix, theirs = Cutmix("0.8"), v2.CutMix(num_classes=3)
    rows = cutmix.parameters(WORDS[:400])
    images = pictures(2, size)
    shares, boxes = cutmix.share(rows, *size), cutmix.boxes(rows, *size).T.tolist()
    for row, share, (top, bottom, left, right) in zip(rows, shares, boxes, strict=True):
        ratio = cutmix.ratio_q16[row[1]] / 65536
        drawn = iter([int(row[3]) * width >> 32, int(row[2]) * height >> 32])  # it draws the column first
        monkeypatch.setattr(theirs, "_dist", type("Beta", (), {"sample": lambda self, _, ratio=ratio: ratio})())
        with monkeypatch.context() as patch:
            patch.setattr(torch, "randint", lambda *_, drawn=drawn, **__: torch.tensor([next(drawn)]))
            params = theirs.make_params([images])
        assert params["box"] == (left, top, right, bottom)
        assert params["lam_adjusted"] == pytest.approx(share, abs=1e-12)
        half = [math.isqrt(side**2 * (65536 - cutmix.ratio_q16[row[1]]) >> 18) for side in size]
        assert bottom - top <= 2 * half[0] and right - left <= 2 * half[1]
    row, params = rows[:1], {"box": (boxes[0][2], boxes[0][0], boxes[0][3], boxes[0][1]), "batch_size": 2}
    params |= {"lam_adjusted": 0.5, "labels": torch.zeros(2, dtype=torch.int64)}
    expected = theirs.transform(images, params)[:1]  # sample 0 with a box of sample 1
    assert torch.equal(cutmix.apply(images, row), expected)


def test_the_share_of_a_cutmix_counts_the_pixels_that_are_its_own() -> None:
    cutmix, rows = Cutmix("1"), Cutmix("1").parameters(WORDS[:500])
    ours, others = torch.zeros(500, 1, 13, 10, dtype=torch.uint8), torch.ones(500, 1, 13, 10, dtype=torch.uint8)
    mixed = cutmix.apply(torch.cat([ours, others]), rows)
    assert np.array_equal(cutmix.share(rows, 13, 10), (130 - mixed.sum((1, 2, 3)).numpy()) / 130)
    assert len(np.unique(cutmix.share(rows, 13, 10))) > 30


def unevenly_drawn(words: np.ndarray) -> np.ndarray:
    """Words of which both halves are small more often than large."""
    low, high = (((half / 2**32) ** 1.05 * 2**32).astype(np.uint64) for half in (words % 2**32, words >> np.uint64(32)))
    return high << np.uint64(32) | low


@pytest.mark.parametrize("make", [Mixup, Cutmix])
@pytest.mark.parametrize("alpha", ["0.2", "1", "8"])
def test_ratios_and_places_are_drawn_evenly_and_ratios_follow_the_beta_distribution(
    make: Callable[..., Mixing], alpha: str
) -> None:
    mixing = make(alpha)
    rows, biased = mixing.parameters(WORDS), mixing.parameters(unevenly_drawn(WORDS))
    expected = np.full(64, len(rows) / 64)
    for column, limit in enumerate(mixing.limits.values()):
        counts, unevenly = (np.bincount(one[:, column] * 64 // limit, minlength=64) for one in (rows, biased))
        assert stats.chisquare(counts, expected).pvalue > 1e-3
        assert stats.chisquare(unevenly, expected).pvalue < 1e-6
    drawn = mixing.drawn_q16(rows) / 65536
    beta = stats.beta(float(alpha), float(alpha))
    edges = beta.ppf(np.arange(1, 16) / 16)  # at which no ratio of the table lies
    counts = np.bincount(np.searchsorted(edges, drawn), minlength=16)
    assert stats.chisquare(counts).pvalue > 1e-3
    wrong = stats.beta(1.3 * float(alpha), 1.3 * float(alpha)).ppf(np.arange(1, 16) / 16)
    assert stats.chisquare(np.bincount(np.searchsorted(wrong, drawn), minlength=16)).pvalue < 1e-6


@pytest.mark.parametrize(
    "change",
    [
        {"ratio_q16": []},
        {"ratio_q16": None},
        {"ratio_q16": [65537] * 1024},
        {"ratio_q16": [-1] * 1024},
        {"ratio_q16": [0.5] * 1024},
        {"ratio_q16": [2, *range(1023)]},
        {"held_out": -1},
        {"held_out": 2**31},
        {"held_out": "3"},
        {"held_out": True},
        {"alpha": 0.2},
        {"alpha": "0"},
        {"alpha": "0.20"},
    ],
)
@pytest.mark.parametrize("text", ["mixup(0.2)", "cutmix(0.2)"])
def test_refuses_records_that_are_none_of_it(text: str, change: Any) -> None:
    one = parse_transform(text)
    assert transform_from_dict(one.to_dict()) == one
    with pytest.raises(InvalidInput, match=f"bad transform '{one.name}'"):
        transform_from_dict(one.to_dict() | change)


def test_a_plan_has_the_ratios_that_its_maker_has_put_there() -> None:
    record = Mixup("0.2").to_dict() | {"ratio_q16": list(range(1024))}
    assert transform_from_dict(record).drawn_q16(np.array([[0, 7]])).tolist() == [7]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "held_out", "digest", "content"),
    [
        (
            *("mixup(0.2)", 0, "ddfc56f20f2838810e815eba222eaa3157af8a2c8a130f14f0a7f299a8fcd6e2"),
            "30be11e3348254b7663a454a75e05b455ee63e6f1d242ef08c422550eb31320d",
        ),
        (
            *("mixup", 7, "a2789b661cf69b27175829edec91813e8e63756d00171d77e8497ece9e1604f4"),
            "47548901d7bb81d0e0f8fa9341edc607a35fbf752a2bacbe693fd94a8c0bc3df",
        ),
        (
            *("cutmix(1)", 0, "e2730c6171330894a84ff8e7555c4ad63eed7a4b0e614d9404af7649112847ea"),
            "4bb3ad77c90035e45701cc9414b092d03e8e27b6f1e843927b7eb842076ea79f",
        ),
    ],
)
def test_plans_pixels_partners_and_shares_stay_what_they_were(
    text: str, held_out: int, digest: str, content: str
) -> None:
    """Written down once: another digest would be another view of the same name, on this machine or a later version."""
    transforms = ["crop(2)", "hflip", text]
    plan = ViewPlan.build(image=(3, 12, 10), transforms=transforms, held_out=held_out, seed=4)
    images = TensorImages(pixels_of(3, 12, 10), [0] * 60, classes=["all"], name="formula", split="train")
    pairs, views = ([3] * 60, range(60)), ViewRenderer(plan, images)
    found = hashlib.sha256(views.pixels(*pairs).numpy().tobytes())
    for array, dtype in zip(views.mixed_with(*pairs), ("<i8", "<f8"), strict=True):
        found.update(array.astype(dtype).tobytes())
    assert (plan.digest, found.hexdigest()) == (digest, content)


def test_texts_and_bounds() -> None:
    assert parse_transform("mixup") == Mixup("1") and parse_transform("cutmix(0.50)") == Cutmix("0.5")
    for text in ("mixup(0)", "cutmix(0)", "mixup(101)"):
        with pytest.raises(InvalidInput, match=r"a parameter of the Beta distribution from 0.01 to 100, found"):
            parse_transform(text)


def test_one_transform_of_a_plan_may_mix_and_none_is_enumerated() -> None:
    check_order([Hflip(), Cutmix()])
    with pytest.raises(InvalidInput, match="two transforms that mix samples: expected one of them, found mixup, cutmi"):
        check_order([Hflip(), Mixup(), Cutmix()])
    with pytest.raises(InvalidInput, match="out of order"):
        check_order([Mixup(), Hflip()])
    with pytest.raises(InvalidInput, match="cannot be enumerated: .* found mixup"):
        ViewPlan.build(image=(3, 8, 8), transforms=["hflip", "mixup(0.2)"], scheme="enumerated")
