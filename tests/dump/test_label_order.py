"""Rows beside the labels of their samples: what is told, and what is warned of."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_chain import Lines

from dgkd_cache.dump.label_order import least_accuracy, tell_of_labels


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
