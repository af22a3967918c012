"""Samples are matched by digest and label: against a search one by one, and what is refused by its first difference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dgkd_cache.datasets.alignment import GuideSamples, match_samples
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.errors import Mismatch


def images(contents: list[int], labels: list[int]) -> TensorImages:
    """One image of one pixel for each content."""
    pixels = np.array(contents, np.uint8).reshape(-1, 1, 1, 1)
    return TensorImages(pixels, labels, classes=["ant", "bee", "cow"], name="toy", split="train")


def guide(contents: list[int], labels: list[int], **changes: Any) -> GuideSamples:
    own = images(contents, [0] * len(contents))
    samples = GuideSamples(
        guide="teacher",
        seal="a" * 64,
        name="toy",
        split="train",
        classes=own.classes,
        labels_N=np.array(labels, np.int64),
        sample_digest_N16=own.sample_digest_N16,
        channels=1,
        height=1,
        width=1,
        digest_kind="pixels",
        decoding={},
    )
    return replace(samples, **changes)


def one_by_one(ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> list[int]:
    free = list(enumerate(ours))
    found = []
    for wanted in theirs:
        place = next((number for number, (_, have) in enumerate(free) if have == wanted), None)
        found.append(-1 if place is None else free.pop(place)[0])
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("case", ["permuted", "fewer", "more"])
def test_as_a_search_one_by_one(seed: int, case: str) -> None:
    """Few contents, so that there are many duplicates, of one label and of several."""
    random = np.random.default_rng(seed)
    theirs = [(int(content), int(label)) for content, label in random.integers(0, (6, 3), (30, 2))]
    ours = [theirs[place] for place in random.permutation(30)]
    if case == "fewer":
        ours = ours[:20]
    if case == "more":
        ours = [*ours, (200, 1), theirs[0]]
    found = match_samples(
        images(*zip(*ours, strict=True)), guide(*zip(*theirs, strict=True)), np.array([b for _, b in theirs])
    )
    assert found.tolist() == one_by_one(ours, theirs)


def test_a_class_that_is_not_ours_is_no_difference() -> None:
    found = match_samples(images([3, 1], [0, 1]), guide([1, 2, 3], [2, 0, 1]), np.array([1, -1, 0]))
    assert found.tolist() == [1, -1, 0]


def test_the_digest_is_that_of_the_split() -> None:
    assert guide([1, 2, 3], [2, 0, 1]).digest == images([1, 2, 3], [2, 0, 1]).digest


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (
            ([1, 2, 9], [0, 0, 0]),
            ([1, 2, 3], [0, 0, 0]),
            "1 of 3 samples here .* first is sample 2 .*class ant",
        ),
        (
            ([1, 2, 3], [0, 2, 0]),
            ([3, 2, 1], [0, 1, 0]),
            "expected class bee, .* sample 1, found .* sample 1 .*cow",
        ),
        (([7, 8], [0, 0]), ([1, 2, 3], [0, 0, 0]), "2 of 2 samples here .*; 3 of the guide's are not here"),
        (([1, 1, 2], [0, 0, 0]), ([1, 2, 3], [0, 0, 0]), "1 of 3 samples here .* first is sample 1"),
    ],
)
def test_the_first_difference_is_named(ours: Any, theirs: Any, said: str) -> None:
    with pytest.raises(Mismatch, match=said) as caught:
        match_samples(images(*ours), guide(*theirs), np.array(theirs[1]))
    assert caught.value.exit_code == 13


def test_a_label_of_a_class_that_is_not_ours_is_a_difference() -> None:
    with pytest.raises(Mismatch, match="1 of 2 samples have another label.*class cow.*sample 0, found.*sample 1"):
        match_samples(images([3, 1], [0, 1]), guide([1, 2, 3], [2, 0, 1]), np.array([-1, 1, 0]))


def test_files_and_pixels_do_not_match() -> None:
    """Even where the digests were equal by chance."""
    with pytest.raises(Mismatch, match="expected digests of pixels, as toy .train. has them, found digests of files"):
        match_samples(images([1], [0]), guide([1], [0], digest_kind="file"), np.array([0]))
