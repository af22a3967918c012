"""A data set: its constants and its two splits fit each other."""

from __future__ import annotations

import numpy as np
import pytest

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.errors import InvalidInput


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"mean": (0.5,)}, r"'mean' cannot be used.*found \(0.5,\) \(tuple\); write mean=\('0.5',\)"),
        ({"mean": ("half",)}, "a tuple of decimal strings, one a channel, found"),
        ({"mean": ("nan",)}, "a tuple of decimal strings, one a channel, found"),
        ({"std": ("0",)}, r"one a channel, each above 0, found \('0',\)"),
        ({"std": "0"}, "one a channel, each above 0, found '0'"),
    ],
)
def test_constants_that_cannot_normalise_are_refused(constants: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        given = {"mean": ("0.5",), "std": ("1",), **constants}
        Dataset(train=split("train", "ab", 1), test=split("test", "ab", 1), **given)


def split(name: str, classes: str, channels: int) -> TensorImages:
    return TensorImages(np.zeros((2, channels, 2, 2), np.uint8), [0, 1], classes=list(classes), name="n", split=name)


@pytest.mark.parametrize(
    ("test", "mean", "message"),
    [
        (("ba", 3), 3, "different classes"),
        (("ab", 1), 3, "different channels: expected 3 as in the training split, found 1"),
        (("ab", 3), 1, "each of 3 channels, found 1 and 3"),
    ],
)
def test_splits_that_do_not_fit_are_refused(test: tuple[str, int], mean: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Dataset(train=split("train", "ab", 3), test=split("test", *test), mean=("0.5",) * mean, std=("0.5",) * 3)
