"""Aligned images under guides: batches are those of the guides' own data set, on the samples that are here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.align import can_align
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore

RANDOM = np.random.Generator(np.random.PCG64(5))
ORDER = RANDOM.permutation(100)


def taken(images: TensorImages, place_N: np.ndarray, *, classes=None, labels_N=None) -> TensorImages:
    labels_N = images.labels_N[place_N] if labels_N is None else labels_N
    return TensorImages(
        images.pixels_NIHW[place_N], labels_N, classes=classes or images.classes, name="theirs", split="train"
    )


def batches(bank: GuideBank, **settings) -> list:
    return list(bank.loader(batch_size=16, epochs=4, seed=2, **settings))


def assert_same(one: list, two: list) -> None:
    assert len(one) == len(two) > 0
    for first, second in zip(one, two, strict=True):
        for name in ("pixels", "labels", "softened"):
            assert torch.equal(getattr(first, name), getattr(second, name)), name
        for name in ("views", "samples", "kept"):
            assert np.array_equal(getattr(first, name), getattr(second, name)), name


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("held", [100, 61])
def test_batches_are_those_of_the_guides_own_data(bars, three_guides, held, resident) -> None:
    ours = taken(bars.train, ORDER[:held])
    with (
        GuideBank(three_guides, bars.train) as theirs,
        GuideBank(three_guides, ours, align=True, keep_on_device=resident) as bank,
    ):
        assert_same(batches(bank), batches(theirs, samples=np.sort(ORDER[:held])))
        assert bank.identities == theirs.identities


@pytest.fixture
def mixed_guide(bars, dump, make_tiny, tmp_path: Path) -> Path:
    """A store whose views mix two samples, and 20 samples among themselves."""
    plan = ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)", "mixup(0.4)"], held_out=20)
    train, test = ViewRenderer(plan, bars.train), ViewRenderer(plan, bars.test)
    return dump(tmp_path / "mixed.zarr", make_tiny(1), train=train, test=test, encoding="float32")


def test_mixed_samples_in_another_order_keep_their_partners(bars, mixed_guide) -> None:
    with GuideBank([mixed_guide], bars.train) as theirs:
        expected = batches(theirs)
    with GuideBank([mixed_guide], taken(bars.train, ORDER), align=True) as bank:
        found = batches(bank)
    assert_same(found, expected)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.partner_labels, other.partner_labels)
        assert torch.equal(one.label_share, other.label_share) and 0.1 < one.label_share.mean() < 0.9


def test_some_of_the_samples_that_a_guide_has_mixed_are_refused(bars, mixed_guide) -> None:
    words = "theirs .train. are mixed with samples that are not here: expected all 100 samples .*found 61 of them"
    with pytest.raises(Mismatch, match=words):
        GuideBank([mixed_guide], taken(bars.train, ORDER[:61]), align=True)


def test_classes_of_a_mixed_guide_that_are_not_ours_are_refused(bars, mixed_guide) -> None:
    """Their samples are mixed into those of the classes that are ours."""
    place_N = np.flatnonzero(np.isin(bars.train.labels_N, [1, 3]))
    labels_N = (bars.train.labels_N[place_N] == 3).astype(np.int64)
    ours = taken(bars.train, place_N, classes=("bee", "dog"), labels_N=labels_N)
    with pytest.raises(Mismatch, match="are mixed with samples that are not here"):
        GuideBank([mixed_guide], ours, align=True, class_map={"bee": "bee", "dog": "dog"})


def test_classes_of_other_names_and_order_are_those_of_both_labels(bars, mixed_guide) -> None:
    names = ("dog", "Kuh", "bee", "ant")
    class_map = {"ant": "ant", "bee": "bee", "cow": "Kuh", "dog": "dog"}
    number = np.array([names.index(class_map[name]) for name in bars.train.classes])
    ours = taken(bars.train, ORDER, classes=names, labels_N=number[bars.train.labels_N[ORDER]])
    with GuideBank([mixed_guide], bars.train) as theirs:
        expected = batches(theirs)
    with GuideBank([mixed_guide], ours, align=True, class_map=class_map) as bank:
        for one, other in zip(batches(bank), expected, strict=True):
            assert torch.equal(one.pixels, other.pixels)
            assert one.labels.tolist() == number[other.labels].tolist()
            assert one.partner_labels.tolist() == number[other.partner_labels].tolist()


def test_samples_beyond_the_guides_are_left_out(bars, three_guides) -> None:
    extra = TensorImages(
        bars.train.pixels_NIHW[:3] ^ 255, [0, 1, 2], classes=bars.train.classes, name="x", split="train"
    )
    ours = taken(bars.train, ORDER)
    more = TensorImages(
        torch.cat([extra.pixels_NIHW, ours.pixels_NIHW]),
        np.concatenate([extra.labels_N, ours.labels_N]),
        classes=ours.classes,
        name="more",
        split="train",
    )
    with GuideBank(three_guides, bars.train) as theirs, GuideBank(three_guides, more, align=True) as bank:
        assert_same(batches(bank), batches(theirs))


def test_columns_are_selected_by_the_class_map(bars, three_guides) -> None:
    """Softened rows against plain numpy on the arrays that Zarr reads."""
    keep = np.isin(bars.train.labels_N, [1, 3])  # bee, dog
    place_N = ORDER[keep[ORDER]]
    labels_N = (bars.train.labels_N[place_N] == 1).astype(np.int64)
    ours = taken(bars.train, place_N, classes=("Hund", "Biene"), labels_N=labels_N)
    columns = [list(bars.train.classes).index(name) for name in ("dog", "bee")]
    rows = [zarr.open_group(path, mode="r")["logits"][:] for path in three_guides]
    class_map = {"bee": "Biene", "dog": "Hund"}
    with GuideBank(three_guides, ours, align=True, class_map=class_map) as bank:
        for batch in batches(bank):
            of_kept = [rows[guide] for guide in np.flatnonzero(batch.kept)]
            assert batch.softened.shape == (len(of_kept), len(batch), 2)
            for row_KBC, mine in zip(of_kept, batch.softened.numpy(), strict=True):
                assert np.array_equal(mine, row_KBC[batch.views, batch.samples][:, columns])
            named = np.array(("Hund", "Biene"))[batch.labels.numpy()]
            own = np.array(bars.train.classes)[bars.train.labels_N[batch.samples]]
            assert [class_map[name] for name in own] == named.tolist()
            assert keep[batch.samples].all()


def test_all_guides_of_a_run_share_one_order(bars, plan, dump, make_tiny, three_guides, tmp_path) -> None:
    turned = taken(bars.train, np.arange(100)[::-1].copy())
    other = dump(tmp_path / "other.zarr", make_tiny(5), name="other", train=ViewRenderer(plan, turned))
    with pytest.raises(Mismatch, match="guide 'other' .*the same samples in another order: .* sample 0") as caught:
        GuideBank([three_guides[0], other], taken(bars.train, ORDER), align=True)
    assert "align=True" not in str(caught.value)


@pytest.mark.parametrize("change", ["pixel", "label"])
def test_one_changed_sample_is_refused_with_align_too(bars, three_guides, change) -> None:
    pixels_NIHW, labels_N = bars.train.pixels_NIHW[ORDER].clone(), bars.train.labels_N[ORDER].copy()
    if change == "pixel":
        pixels_NIHW[17, 0, 3, 3] += 1
    else:
        labels_N[17] = (labels_N[17] + 1) % 4
    ours = TensorImages(pixels_NIHW, labels_N, classes=bars.train.classes, name="ours", split="train")
    said = {"pixel": "the first is sample 17 ", "label": f"for its sample {ORDER[17]}, found .* sample 17 "}[change]
    with pytest.raises(Mismatch, match=f"guide 'teacher' .*{said}"):
        GuideBank(three_guides, ours, align=True)
    with GuideStore.open(three_guides[0]) as store:
        assert not can_align(ours, store) and can_align(taken(bars.train, ORDER[:3]), store)


def test_the_probe_replays_the_pixels_of_the_guides_numbers(bars, dump, make_tiny, tmp_path, monkeypatch) -> None:
    """A writer whose pixels are one row off: seen in the pairs of the samples that are here, and in no others."""
    with monkeypatch.context() as patch:
        rendered = ViewRenderer.pixels
        patch.setattr(ViewRenderer, "pixels", lambda self, *pairs: rendered(self, *pairs).roll(1, dims=2))
        store = dump(tmp_path / "teacher.zarr", make_tiny(1))
    with pytest.raises(Mismatch, match="these pixels are not the ones that the guide saw: .*probed pairs differ"):
        GuideBank([store], taken(bars.train, ORDER[:50]), align=True)


def test_too_few_samples_for_the_probe_are_refused(bars, three_guides) -> None:
    with pytest.raises(Mismatch, match="cannot be compared with those that the guide saw: .*1 other samples"):
        for sample in range(100):
            GuideBank(three_guides, taken(bars.train, np.array([sample])), align=True).close()


def test_the_hint_of_a_refusal_is_align(bars, three_guides) -> None:
    with pytest.raises(Mismatch, match="another order.*; write align=True"):
        GuideBank(three_guides, taken(bars.train, ORDER))


def test_what_does_not_go_with_align(bars, plan, three_guides: list[Path]) -> None:
    with pytest.raises(InvalidInput, match="'images' cannot be used: expected the training images, to align"):
        GuideBank(three_guides, ViewRenderer(plan, bars.train), align=True)
    with pytest.raises(InvalidInput, match="'class_map' cannot be used: .*it goes with align=True"):
        GuideBank(three_guides, bars.train, class_map={"ant": "ant"})
