"""explain_difference names the first class, sample or label that differs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.datasets.images import TensorImages

PIXELS = np.random.default_rng(2).integers(0, 256, (6, 1, 3, 3), dtype=np.uint8)


def make(
    pixels: np.ndarray = PIXELS, labels: tuple[int, ...] = (0, 1, 0, 1, 0, 1), classes: str = "ab"
) -> TensorImages:
    return TensorImages(torch.tensor(pixels), labels, classes=list(classes), name="n", split="train")


def explain(here: TensorImages, recorded: TensorImages) -> str | None:
    return explain_difference(
        here,
        label_N=recorded.labels_N,
        sample_digest_N16=recorded.sample_digest_N16,
        classes=recorded.classes,
    )


def changed_pixel() -> TensorImages:
    pixels = PIXELS.copy()
    pixels[3, 0, 1, 1] ^= 1
    return make(pixels)


@pytest.mark.parametrize(
    ("here", "text"),
    [
        (make(), None),
        (
            changed_pixel(),
            "1 of 6 samples differ, the first is sample 3 (train, class b), with other content",
        ),
        (
            make(labels=(0, 1, 0, 1, 1, 1)),
            "1 of 6 labels differ, the first at sample 4 (train, class b): 1 (b) here, 0 (a) recorded",
        ),
        (
            make(PIXELS[[0, 2, 1, 3, 4, 5]], (0, 0, 1, 1, 0, 1)),
            "the same samples in another order: 2 of 6 samples differ, the first is sample 1 (train, "
            "class a), whose content was recorded as sample 2",
        ),
        (make(PIXELS[:5], (0, 1, 0, 1, 0)), "5 samples here, 6 recorded; 1 gone, the first was sample 5"),
        (make(PIXELS[[0, 1, 2, 3, 4, 5, 5]], (0, 1, 0, 1, 0, 1, 1)), "7 samples here, 6 recorded"),
        (
            make(np.concatenate([255 - PIXELS[:1], PIXELS[:5]])),
            "6 of 6 samples differ, the first is sample 0 (train, class a), with other content; "
            "1 new, the first is sample 0 (train, class a); 1 gone, the first was sample 5",
        ),
        (make(classes=["a", "c"]), "class 1 is 'c' here, 'b' recorded"),
        (make(classes=["a", "b", "c"]), "3 classes here, 2 recorded; not in both: c"),
    ],
)
def test_the_first_difference_is_named(here: TensorImages, text: str | None) -> None:
    assert explain(here, make()) == text


def test_digests_that_end_in_zero_bytes_are_told_apart() -> None:
    here = make()
    recorded = here.sample_digest_N16.copy()
    recorded[2, 8:] = 0
    explained = explain_difference(here, label_N=here.labels_N, sample_digest_N16=recorded, classes=here.classes)
    assert explained is not None and "sample 2 " in explained
