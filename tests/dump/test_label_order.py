"""Rows beside the labels of their samples: what is told, and what is warned of."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_chain import Lines

from dgkd_cache.dump.label_order import least_accuracy, tell_of_labels, warn_of_unmixed


def test_the_least_accuracy() -> None:
    assert [least_accuracy(classes) for classes in (1, 2, 4, 10, 1000)] == [1, 0.75, 0.5, 0.2, 0.002]


@pytest.mark.parametrize(("right", "warns"), [(20, False), (10, False), (9, True), (0, True)])
def test_rows_that_hardly_know_their_labels_are_warned_of(right: int, warns: bool) -> None:
    labels_N = np.arange(20) % 4
    logits_NC = np.eye(4, dtype=np.float32)[np.where(np.arange(20) < right, labels_N, (labels_N + 1) % 4)]
    progress, warned = Lines(), list[str]()
    progress.warn = warned.append
    tell_of_labels(logits_NC, labels_N, "given", progress)
    (line,) = [*progress.lines, *warned]
    assert line.startswith(f"the label leads in {5 * right} % of the first 20 rows of given")
    assert bool(warned) == warns == ("are they in the order of the samples and the classes?" in line)


@pytest.mark.parametrize(
    ("own", "other", "warns"), [(40, 10, True), (26, 10, False), (10, 40, False), (9, 0, False), (10, 0, True)]
)
def test_rows_of_unmixed_images_are_warned_of(own: int, other: int, warns: bool) -> None:
    """More than three deviations of own - other, which is the root of own + other: 30 of 7.1, 16 of 6, 9 of 3."""
    labels_N = np.zeros(100, np.int64)
    partners_N = np.where(np.arange(100) < 60, 1, 0)  # with the same label nothing is told
    share_N = np.where(np.arange(100) < 50, 0.25, 0.26)
    logits_NC = np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2, 0], [own, other, 50 - own - other, 50])]
    progress, warned = Lines(), list[str]()
    progress.warn = warned.append
    warn_of_unmixed(logits_NC, labels_N, partners_N, share_N, "given", progress)
    assert bool(warned) == warns and not progress.lines
    if warned:
        assert warned[0].startswith("of 50 images that are mostly another sample's, the first rows of given have the")
        assert f"own label first in {own} and that of the other one in {other}: " in warned[0]
