"""Tells rows in another order than their samples: those of a guide that hardly knows the labels of its own rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.progress import Progress

__all__ = ["least_accuracy", "tell_of_labels"]


def least_accuracy(classes: int) -> float:
    """Returns twice the accuracy of guessing among `classes`; for two classes, half of the way from guessing to 1."""
    chance = 1 / classes
    return min(2 * chance, (1 + chance) / 2)


def tell_of_labels(logits_NC: NDArray[np.float32], labels_N: NDArray[np.int64], guide: str, progress: Progress) -> None:
    """Tells in how many rows the label has the largest logit, and warns where it is hardly more than by guessing.

    Rows that a program gives carry no proof of their order, which is otherwise seen by nothing but a bad student.
    """
    share = float((logits_NC.argmax(1) == labels_N).mean())
    line = f"the label leads in {100 * share:.4g} % of the first {len(labels_N):,} rows of {guide}"
    if share < least_accuracy(logits_NC.shape[1]):
        progress.warn(f"{line}, hardly more than by guessing: are they in the order of the samples and the classes?")
    else:
        progress.say(line)
