"""Tells rows of other images than those of their views: in another order than the samples, or of unmixed images.

Rows that a program gives carry no proof of what it saw; otherwise nothing but a bad student would tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.progress import Progress

__all__ = ["least_accuracy", "tell_of_labels", "warn_of_unmixed"]

_MOSTLY = 0.25
"""The largest share that a sample has in an image which is mostly its partner's."""

_SIGMAS = 3
"""Standard deviations of the difference of two counts, above which it is no chance."""


def least_accuracy(classes: int) -> float:
    """Returns twice the accuracy of guessing among `classes`; for two classes, half of the way from guessing to 1."""
    chance = 1 / classes
    return min(2 * chance, (1 + chance) / 2)


def tell_of_labels(logits_NC: NDArray[np.float32], labels_N: NDArray[np.int64], guide: str, progress: Progress) -> None:
    """Tells in how many rows the label has the largest logit, and warns where it is hardly more than by guessing."""
    share = float((logits_NC.argmax(1) == labels_N).mean())
    line = f"the label leads in {100 * share:.4g} % of the first {len(labels_N):,} rows of {guide}"
    if share < least_accuracy(logits_NC.shape[1]):
        progress.warn(f"{line}, hardly more than by guessing: are they in the order of the samples and the classes?")
    else:
        progress.say(line)


def warn_of_unmixed(
    logits_NC: NDArray[np.float32],
    labels_N: NDArray[np.int64],
    partner_labels_N: NDArray[np.int64],
    share_N: NDArray[np.float64],
    guide: str,
    progress: Progress,
) -> None:
    """Warns where images are mostly those of another sample, and the rows know the label of the sample itself.

    `share_N`, in [0, 1], is the share of each sample in its mixed image. A guide of the mixed images has the label of
    the partner first where that share is small.
    """
    told_N = (share_N <= _MOSTLY) & (labels_N != partner_labels_N)
    first_N = logits_NC.argmax(1)
    own, other = (int((first_N == labels)[told_N].sum()) for labels in (labels_N, partner_labels_N))
    if own - other > _SIGMAS * (own + other) ** 0.5:
        progress.warn(
            f"of {int(told_N.sum()):,} images that are mostly another sample's, the first rows of {guide} have the "
            f"sample's own label first in {own:,} and that of the other one in {other:,}: are these logits of the "
            "mixed images, as train.pixels gives them?"
        )
