"""Measures against torchmetrics, scikit-learn, and values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dgkd_cache.errors import InvalidInput
from dgkd_cache.study.measures import agreement, measure

RANDOM = np.random.default_rng(1)
LOGITS = RANDOM.normal(0, 2, (2_000, 10)).astype(np.float32)
LABELS = np.where(RANDOM.random(2_000) < 0.6, LOGITS.argmax(1), RANDOM.integers(0, 10, 2_000))


def test_measures_are_those_of_other_libraries() -> None:
    # Slow to load: only in the process that runs this.
    from sklearn.metrics import log_loss, top_k_accuracy_score
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

    found = measure(LOGITS, LABELS)
    p_MC = np.exp(LOGITS.astype(np.float64)) / np.exp(LOGITS.astype(np.float64)).sum(1, keepdims=True)
    assert found.samples == 2_000
    assert found.nll == pytest.approx(log_loss(LABELS, p_MC), rel=1e-9)
    assert found.top1 == pytest.approx(top_k_accuracy_score(LABELS, LOGITS, k=1))
    assert found.top5 == pytest.approx(top_k_accuracy_score(LABELS, LOGITS, k=5))
    logits, labels = torch.from_numpy(LOGITS).double(), torch.from_numpy(LABELS)
    assert found.ece == pytest.approx(
        multiclass_calibration_error(logits.softmax(1), labels, num_classes=10, n_bins=15, norm="l1").item(), abs=1e-6
    )
    by_class = multiclass_accuracy(logits, labels, num_classes=10, average=None)
    assert found.class_accuracy == pytest.approx(by_class.tolist(), abs=1e-6)
    assert sum(one.samples for one in found.bins) == 2_000 and len(found.bins) == 15


def test_measures_by_hand() -> None:
    """Two samples of confidence 0.75 (bin 12), one right; one of 0.5 (bin 8), right."""
    logits = np.log(np.array([[0.75, 0.25], [0.75, 0.25], [0.5, 0.5]]))
    found = measure(logits, np.array([0, 1, 0]))
    assert (found.top1, found.top5) == (pytest.approx(2 / 3), None)
    assert found.nll == pytest.approx(-(math.log(0.75) + math.log(0.25) + math.log(0.5)) / 3)
    assert found.ece == pytest.approx(2 / 3 * abs(0.5 - 0.75) + 1 / 3 * abs(1 - 0.5))
    assert [(i, one.samples) for i, one in enumerate(found.bins) if one.samples] == [(7, 1), (11, 2)]
    assert found.class_accuracy == (1.0, 0.0)


def test_a_class_without_samples_has_no_accuracy() -> None:
    assert measure(np.eye(3), np.array([0, 1, 1])).class_accuracy == (1.0, 0.5, None)


def test_the_best_five_are_asked_for_from_six_classes_on() -> None:
    assert measure(np.eye(5), np.arange(5)).top5 is None
    assert measure(np.eye(6)[:, ::-1], np.arange(6)).top5 == 1.0


def test_certainty_is_in_the_last_bin() -> None:
    found = measure(np.array([[0.0, 800.0]]), np.array([1]))
    assert (found.bins[-1].samples, found.ece, found.nll) == (1, 0.0, 0.0)


def test_agreement_by_hand() -> None:
    guide = np.log(np.array([[0.5, 0.5], [0.9, 0.1]]))
    student = np.log(np.array([[0.25, 0.75], [0.8, 0.2]])) + 3.0  # a constant changes nothing
    found = agreement(student, guide)
    first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    second = 0.9 * math.log(0.9 / 0.8) + 0.1 * math.log(0.1 / 0.2)
    assert found.kl == pytest.approx((first + second) / 2)
    assert (found.samples, found.top1) == (2, 0.5)
    same = agreement(LOGITS, LOGITS)
    assert (same.top1, same.kl) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "no logits"),
        (np.zeros(3), np.zeros(3, int), "no logits"),
        (np.array([[np.nan, 1.0]]), np.array([0]), "NaN or infinity"),
        (np.zeros((2, 3)), np.array([0]), "2 labels from 0 to 2, found 1 labels"),
        (np.zeros((2, 3)), np.array([0, 3]), "found 2 labels from 0 to 3"),
    ],
)
def test_what_does_not_fit(logits: np.ndarray, labels: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        measure(logits, labels)


def test_other_rows() -> None:
    with pytest.raises(InvalidInput, match=r"expected logits \(2, 3\), found \(3, 3\)"):
        agreement(np.zeros((3, 3)), np.zeros((2, 3)))
