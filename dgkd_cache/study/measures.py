"""Measures of a classifier on a test set, and of how far it agrees with a guide: pure functions of logits.

The calibration error is that of Naeini et al. 2015 and Guo et al. 2017, with 15 bins of equal width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from dgkd_cache.errors import InvalidInput

__all__ = ["BINS", "Agreement", "Bin", "Measures", "agreement", "measure"]

BINS = 15


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The samples whose confidence lies in one of the 15 bins: their number, mean confidence and accuracy.

    An empty bin has the confidence and accuracy 0.
    """

    samples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Measures:
    """A classifier on a labelled test set; shares are from 0 to 1, `nll` is in nats.

    `top5` is None for five classes or fewer. `class_accuracy` has a share for each class, None for a class without a
    sample. `ece` is the mean over samples of |accuracy - confidence| of their bin, and `bins` what it is made of.
    """

    samples: int
    top1: float
    top5: float | None
    nll: float
    ece: float
    class_accuracy: tuple[float | None, ...]
    bins: tuple[Bin, ...]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A student beside a guide, on the same rows: the share of equal predictions, and the mean KL(guide || student).

    `kl` is in nats, at the temperature 1.
    """

    samples: int
    top1: float
    kl: float


def measure(logits_MC: NDArray[np.floating], label_M: NDArray[np.integer]) -> Measures:
    """Returns the measures of logits (M, C) under labels (M,). Raises InvalidInput unless they fit and are finite."""
    log_p_MC = _log_probabilities(logits_MC)
    count, classes = log_p_MC.shape
    if label_M.shape != (count,) or label_M.min() < 0 or label_M.max() >= classes:
        raise InvalidInput(
            "labels do not fit the logits",
            expected=f"{count} labels from 0 to {classes - 1}",
            found=f"{len(label_M)} labels from {label_M.min()} to {label_M.max()}",
        )
    predicted_M, confidence_M = log_p_MC.argmax(1), np.exp(log_p_MC.max(1))
    correct_M = predicted_M == label_M
    bins = _bins(confidence_M, correct_M)
    return Measures(
        samples=count,
        top1=float(correct_M.mean()),
        top5=_top(log_p_MC, label_M, 5) if classes > 5 else None,
        nll=float(-log_p_MC[np.arange(count), label_M].mean()),
        ece=sum(one.samples * abs(one.accuracy - one.confidence) for one in bins) / count,
        class_accuracy=tuple(
            float(correct_M[label_M == label].mean()) if (label_M == label).any() else None for label in range(classes)
        ),
        bins=tuple(bins),
    )


def agreement(student_MC: NDArray[np.floating], guide_MC: NDArray[np.floating]) -> Agreement:
    """Returns how far a student agrees with a guide; both are logits (M, C). Raises InvalidInput unless they fit."""
    if student_MC.shape != guide_MC.shape:
        raise InvalidInput(
            "a student and a guide have other rows", expected=f"logits {guide_MC.shape}", found=f"{student_MC.shape}"
        )
    log_student_MC, log_guide_MC = _log_probabilities(student_MC), _log_probabilities(guide_MC)
    kl_M = (np.exp(log_guide_MC) * (log_guide_MC - log_student_MC)).sum(1)
    return Agreement(
        samples=len(kl_M),
        top1=float((log_student_MC.argmax(1) == log_guide_MC.argmax(1)).mean()),
        kl=float(kl_M.mean()),
    )


def _log_probabilities(logits_MC: NDArray[np.floating]) -> NDArray[np.float64]:
    if logits_MC.ndim != 2 or not len(logits_MC) or not np.isfinite(logits_MC).all():
        raise InvalidInput(
            "these are no logits of samples",
            expected="finite numbers (samples, classes)",
            found=f"shape {logits_MC.shape}" if logits_MC.ndim != 2 or not len(logits_MC) else "NaN or infinity",
        )
    log_p_MC: NDArray[np.float64] = log_softmax(logits_MC.astype(np.float64), axis=1)
    return log_p_MC


def _top(log_p_MC: NDArray[np.float64], label_M: NDArray[np.integer], count: int) -> float:
    """Returns the share of samples with fewer than `count` classes that are more probable than the label."""
    of_label_M1 = np.take_along_axis(log_p_MC, label_M[:, None].astype(np.int64), 1)
    return float(((log_p_MC > of_label_M1).sum(1) < count).mean())


def _bins(confidence_M: NDArray[np.float64], correct_M: NDArray[np.bool_]) -> Sequence[Bin]:
    """Returns the bins (0, 1/15], (1/15, 2/15], ..., by confidence."""
    edges = np.linspace(0, 1, BINS + 1)
    bin_M = np.clip(np.searchsorted(edges, confidence_M, side="left") - 1, 0, BINS - 1)
    found = []
    for index in range(BINS):
        inside_M = bin_M == index
        count = int(inside_M.sum())
        found.append(
            Bin(
                samples=count,
                confidence=float(confidence_M[inside_M].mean()) if count else 0.0,
                accuracy=float(correct_M[inside_M].mean()) if count else 0.0,
            )
        )
    return found
