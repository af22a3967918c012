"""The policies: what they draw, as often as torchvision draws it, and what they make of an image."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms.v2 import AutoAugment as TheirAutoAugment, AutoAugmentPolicy

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.policies import AutoAugment, RandAugment, TrivialAugment
from dgkd_cache.views.policy_space import OPERATIONS
from dgkd_cache.views.registry import parse_transform, transform_from_dict
from dgkd_cache.views.renderer import ViewRenderer

WORDS = philox_words(bytes(16), view=9, domain=0, first_block=0, blocks=60_000)


def uneven(counts: np.ndarray[Any, Any]) -> bool:
    """Returns True if a chi-square refuses these counts as even ones."""
    return bool(stats.chisquare(counts).pvalue < 1e-3)


def test_trivial_augment_draws_operation_magnitude_and_sign_evenly() -> None:
    choices = TrivialAugment().parameters(WORDS[:, None])[:, 0]
    assert not uneven(np.bincount(choices, minlength=14 * 31 * 2))
    assert not uneven(np.bincount(choices // 62, minlength=14))
    assert not uneven(np.bincount(choices // 2 % 31, minlength=31)) and not uneven(
        np.bincount(choices % 2, minlength=2)
    )
    biased = np.where((choices // 62 == 5) & (np.arange(len(choices)) % 5 == 0), 0, choices)  # fewer rotations
    assert uneven(np.bincount(biased // 62, minlength=14))
    assert uneven(np.bincount(choices[choices // 2 % 31 < 30] // 2 % 31, minlength=31))


def test_rand_augment_draws_its_operations_evenly_and_independently() -> None:
    policy = RandAugment(3, 9)
    rows = policy.parameters(WORDS.reshape(-1, 3))
    assert (policy.words, len(policy.limits), policy.outcomes) == (3, 3, 28**3)
    for column in rows.T:
        assert not uneven(np.bincount(column, minlength=28))
        assert uneven(np.bincount(np.append(column, [0] * 600), minlength=28))
    assert not uneven(np.bincount(rows[:, 0] * 28 + rows[:, 1], minlength=28 * 28))
    assert uneven(np.bincount(rows[:, 0] * 28 + rows[:, 0], minlength=28 * 28))


def drawn_as_by_torchvision(name: str, rows: np.ndarray[Any, Any]) -> bool:
    """Returns True if a chi-square takes pairs, and the counts of their operations, for torchvision's."""
    drawn = Counter(map(tuple, rows.tolist()))
    found, expected = [], []
    for place, pair in enumerate(TheirAutoAugment(AutoAugmentPolicy(name))._policies):
        (_, one, _), (_, two, _) = pair
        for first, share in enumerate((1 - one, one / 2, one / 2)):
            for second, other in enumerate((1 - two, two / 2, two / 2)):
                if share * other > 0:
                    found.append(drawn.pop((place, first, second), 0))
                    expected.append(len(rows) / 25 * share * other)
    assert not drawn, "what has no probability is not drawn"
    scale = len(rows) / sum(expected)
    return bool(stats.chisquare(found, [scale * each for each in expected]).pvalue > 1e-3)


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_auto_augment_draws_its_pairs_and_applies_them_as_often_as_torchvision(name: str) -> None:
    rows = AutoAugment(name).parameters(WORDS.reshape(-1, 3))
    assert not uneven(np.bincount(rows[:, 0], minlength=25))
    assert drawn_as_by_torchvision(name, rows)
    some = (rows[:, 1] == 2) & (np.arange(len(rows)) % 8 == 0)  # an eighth of the negative ones are positive
    assert not drawn_as_by_torchvision(name, np.column_stack([rows[:, 0], np.where(some, 1, rows[:, 1]), rows[:, 2]]))


@pytest.mark.parametrize("text", ["trivial-augment", "rand-augment(2, 9)", "auto-augment(cifar10)", "auto-augment"])
def test_views_are_the_operations_that_were_drawn_one_after_the_other(noise: Any, text: str) -> None:
    images = noise(60, (3, 12, 12))
    plan = ViewPlan.build(image=(3, 12, 12), transforms=["crop(2)", "hflip", text], seed=3)
    policy, rows = plan.transforms[2], plan.parameters(5, 0, 60)
    plain = ViewPlan.build(image=(3, 12, 12), transforms=["crop(2)", "hflip"], seed=3)
    found = ViewRenderer(plan, images).pixels(np.full(60, 5), np.arange(60))
    assert plan.exact
    for one, image, (dy, dx, flip, *drawn) in zip(found, images.pixels_NIHW, rows.tolist(), strict=True):
        steps = plain.transforms[0].apply(image[None], np.array([[dy, dx]]))
        steps = plain.transforms[1].apply(steps, np.array([[flip]]))
        for kind, magnitude, sign in operations(policy, drawn):
            rotation = np.array(policy.space.rotations_q30)  # type: ignore[attr-defined]  # every policy has it
            arrays = (np.array([each]) for each in (kind, magnitude, sign))
            steps = policy.space.apply(steps, *arrays, rotation)  # type: ignore[attr-defined]  # as above
        assert torch.equal(one, steps[0])
    assert len({one.numpy().tobytes() for one in found}) > 40


def operations(policy: Any, drawn: list[int]) -> list[tuple[int, int, int]]:
    """Operation, magnitude and sign of each step, as the page says."""
    if isinstance(policy, TrivialAugment):
        return [(drawn[0] // 62, drawn[0] % 62 // 2, 1 - 2 * (drawn[0] % 2))]
    if isinstance(policy, RandAugment):
        return [(choice // 2, policy.magnitude, 1 - 2 * (choice % 2)) for choice in drawn]
    pair = TheirAutoAugment(AutoAugmentPolicy(policy.policy))._policies[drawn[0]]
    signs = {1: 1, 2: -1}
    return [
        (OPERATIONS.index(name), magnitude or 0, signs[applied])
        for (name, _, magnitude), applied in zip(pair, drawn[1:], strict=True)
        if applied
    ]


def test_texts_and_what_may_be_left_out() -> None:
    assert parse_transform("rand-augment") == RandAugment(2, 9) and parse_transform("rand-augment(3)") == RandAugment(3)
    assert parse_transform("auto-augment") == AutoAugment("imagenet")
    for text, message in {
        "rand-augment(0)": "a number of operations from 1 to 16",
        "rand-augment(2, 31)": r"a magnitude from 0 to 30, found rand-augment\(2, 31\); write for example rand-augment",
        "rand-augment(2.5)": "found rand-augment",
        "auto-augment(svhn)": r"a policy out of cifar10, imagenet, found auto-augment\(svhn\); write for example auto-",
        "trivial-augment(3)": "trivial-augment, which takes no number",
        "auto-augmnt(cifar10)": "unknown transform 'auto-augmnt'.*did you mean auto-augment",
    }.items():
        with pytest.raises(InvalidInput, match=message):
            parse_transform(text)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("trivial-augment", {"cos_sin_q30": [[1, 1]] * 30}),
        ("rand-augment", {"cos_sin_q30": [[2**31, 1]] * 31}),
        ("rand-augment", {"magnitude": 31}),
        ("auto-augment", {"sub_policies": []}),
        ("auto-augment", {"sub_policies": None}),
        ("auto-augment", {"policy": "cifar10"}),
        ("auto-augment", {"policy": ["cifar10"]}),
    ],
)
def test_refuses_records_that_are_none_of_them(text: str, change: Any) -> None:
    record = parse_transform(text).to_dict()
    assert transform_from_dict(record) == parse_transform(text)
    with pytest.raises(InvalidInput, match=f"bad transform '{text}'"):
        transform_from_dict(record | change)
