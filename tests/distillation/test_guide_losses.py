"""Guide losses against formulas written with numpy and scipy, and against one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import softmax

from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distillation.objectives import dense_guidance_loss
from dgkd_cache.errors import DgkdError

K, B, C, T = 3, 6, 5, 4.0
RANDOM = np.random.default_rng(3)
STUDENT, GUIDES = RANDOM.normal(0, 2, (B, C)), RANDOM.normal(0, 3, (K, B, C))
LABELS = RANDOM.integers(0, C, B)


def found(loss: GuideLoss, student: NDArray = STUDENT, guides: NDArray = GUIDES) -> NDArray:
    student_BC, labels_B = torch.from_numpy(student), torch.from_numpy(LABELS[: len(student)])
    return loss.of(student_BC, labels_B, torch.from_numpy(guides) / T, T).numpy()


def kl(p: NDArray, q: NDArray) -> NDArray:
    return np.sum([stats.entropy(p, q, axis=-1)], axis=0)


def test_kl() -> None:
    expected = kl(softmax(GUIDES / T, -1), np.broadcast_to(softmax(STUDENT / T, -1), GUIDES.shape)).mean(-1)
    assert found(GuideLoss()) == pytest.approx(expected)


def without(p_C: NDArray, label: int) -> NDArray:
    rest = np.delete(p_C, label)
    return rest / rest.sum()


def test_dkd_is_its_two_parts() -> None:
    """Equation 7 of the paper, sample by sample: the binary KL, and the KL among the other classes."""
    expected = np.zeros(K)
    for k in range(K):
        for b, label in enumerate(LABELS):
            p, q = softmax(GUIDES[k, b] / T), softmax(STUDENT[b] / T)
            target = stats.entropy([p[label], 1 - p[label]], [q[label], 1 - q[label]])
            expected[k] += (1.5 * target + 6.0 * stats.entropy(without(p, label), without(q, label))) / B
    assert found(GuideLoss(kind="dkd", dkd_alpha=1.5, dkd_beta=6.0)) == pytest.approx(expected)


def test_dkd_is_kl_where_beta_is_what_the_guide_gives_to_other_classes() -> None:
    """KD = TCKD + (1 - p of the label) NCKD, the paper's equation 6."""
    for b, label in enumerate(LABELS):
        student, guides = STUDENT[b : b + 1], GUIDES[:1, b : b + 1]
        rest = 1 - softmax(guides[0, 0] / T)[label]
        loss = GuideLoss(kind="dkd", dkd_alpha=1.0, dkd_beta=float(rest))
        labels_B = torch.tensor([label])
        decoupled = loss.of(torch.from_numpy(student), labels_B, torch.from_numpy(guides) / T, T)
        plain = GuideLoss().of(torch.from_numpy(student), labels_B, torch.from_numpy(guides) / T, T)
        assert decoupled.item() == pytest.approx(plain.item())


def test_dist_is_pearsons_correlation() -> None:
    student = softmax(STUDENT / T, -1)
    expected = []
    for guide in softmax(GUIDES / T, -1):
        rows = np.mean([1 - stats.pearsonr(student[b], guide[b])[0] for b in range(B)])
        columns = np.mean([1 - stats.pearsonr(student[:, c], guide[:, c])[0] for c in range(C)])
        expected.append(2.0 * rows + 0.5 * columns)
    assert found(GuideLoss(kind="dist", dist_beta=2.0, dist_gamma=0.5)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["kl", "dkd", "dist"])
def test_standardised_logits(kind: str) -> None:
    """The loss is that of standardised logits; another scale or offset of the student's changes nothing."""
    plain, standardised = GuideLoss(kind=kind), GuideLoss(kind=kind, standardize=True)
    z_student, z_guides = (stats.zscore(logits, axis=-1, ddof=1) for logits in (STUDENT, GUIDES))
    assert found(standardised) == pytest.approx(found(plain, z_student, z_guides), rel=1e-5)
    assert found(standardised, 3 * STUDENT - 7) == pytest.approx(found(standardised), rel=1e-5)
    assert found(plain, 3 * STUDENT - 7) != pytest.approx(found(plain), rel=0.01)


@pytest.mark.parametrize("kind", ["kl", "dkd"])
def test_guides_weighted_by_agreement(kind: str) -> None:
    q = softmax(STUDENT / T, -1)
    kl_KB = np.array([stats.entropy(softmax(guide / T, -1), q, axis=-1) for guide in GUIDES])
    weight_KB = K * softmax(-kl_KB, axis=0)
    one = GuideLoss(kind=kind)
    each_KB = np.array([found(one, STUDENT[b : b + 1], GUIDES[:, b : b + 1]) for b in range(B)]).T
    if kind == "dkd":  # `found` takes the first labels: here each sample has its own
        parts = [
            one.of(
                torch.from_numpy(STUDENT[b : b + 1]),
                torch.from_numpy(LABELS[b : b + 1]),
                torch.from_numpy(GUIDES[:, b : b + 1]) / T,
                T,
            )
            for b in range(B)
        ]
        each_KB = torch.stack(parts, 1).numpy()
    expected = (weight_KB * each_KB).mean(-1)
    assert found(GuideLoss(kind=kind, weights="student")) == pytest.approx(expected)
    assert found(GuideLoss(kind=kind, weights="student"), guides=GUIDES[:1]) == pytest.approx(found(one)[:1])


@pytest.mark.parametrize("guides", [1, 2, 3, 11, 16])
@pytest.mark.parametrize("percentile", [0.5, 50.0, 75.0, 90.0, 99.9, 100.0])
def test_guides_below_the_percentile_are_left_out(guides: int, percentile: float) -> None:
    """In each sample the guides at or above numpy's percentile of the weights, and their weights made to sum to K."""
    draws = np.random.default_rng(guides).normal(0, 3, (guides, B, C))
    q = softmax(STUDENT / T, -1)
    kl_KB = np.array([stats.entropy(softmax(guide / T, -1), q, axis=-1) for guide in draws])
    weight_KB = softmax(-kl_KB, axis=0)
    for b in range(B):
        weight_KB[weight_KB[:, b] < np.percentile(weight_KB[:, b], percentile), b] = 0.0
    kept_B = (weight_KB > 0).sum(0)
    by_hand = {(1, 90.0): 1, (2, 50.0): 1, (3, 50.0): 2, (11, 90.0): 2, (16, 90.0): 2, (16, 75.0): 4, (16, 100.0): 1}
    assert (kept_B == by_hand.get((guides, percentile), kept_B[0])).all()
    expected = (guides * weight_KB / weight_KB.sum(0) * kl_KB).mean(-1)
    assert found(GuideLoss(weights="student", percentile=percentile), guides=draws) == pytest.approx(expected)


def test_equal_guides_count_together_as_one_of_their_number() -> None:
    """The better of two pairs of equal guides gets all the weight, however it is divided within the pair."""
    pairs = np.repeat(np.stack([STUDENT + 0.1 * GUIDES[0], GUIDES[1] * 5]), 2, axis=0)
    loss = found(GuideLoss(weights="student", percentile=90.0), guides=pairs)
    assert loss[:2].sum() == pytest.approx(4 * found(GuideLoss(), guides=pairs[:1])[0])
    assert loss[2:] == pytest.approx(0)


def test_a_student_that_is_no_number_is_seen_through_the_filter() -> None:
    student = STUDENT.copy()
    student[0, 0] = np.nan
    assert np.isnan(found(GuideLoss(weights="student", percentile=90.0), student)).all()


def test_the_weights_are_no_way_to_lower_the_loss() -> None:
    """The gradient goes through the loss of each guide, not through its weight."""
    student = torch.from_numpy(STUDENT).requires_grad_()
    guides = torch.from_numpy(GUIDES) / T
    GuideLoss(weights="student").of(student, torch.from_numpy(LABELS), guides, T).sum().backward()
    q = softmax(STUDENT / T, -1)
    p = softmax(GUIDES / T, -1)
    weight_KB = K * softmax(-np.array([stats.entropy(guide, q, axis=-1) for guide in p]), axis=0)
    expected = (weight_KB[..., None] * (q - p)).sum(0) / B / T  # the gradient of KL is (q - p) / T
    assert student.grad is not None and student.grad.numpy() == pytest.approx(expected)


@pytest.mark.parametrize(
    "loss",
    [
        GuideLoss(kind="dkd"),
        GuideLoss(kind="dist"),
        GuideLoss(kind="dkd", standardize=True),
        GuideLoss(standardize=True),
    ],
)
def test_gradients(loss: GuideLoss) -> None:
    guides, labels = torch.from_numpy(GUIDES) / T, torch.from_numpy(LABELS)
    student = torch.from_numpy(STUDENT).requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: loss.of(logits, labels, guides, T), student)


@pytest.mark.parametrize("kind", ["kl", "dkd", "dist"])
def test_a_student_like_its_guide_has_no_loss(kind: str) -> None:
    assert found(GuideLoss(kind=kind), STUDENT, STUDENT[None]) == pytest.approx(0, abs=1e-5)


def test_extreme_logits_are_finite() -> None:
    """A guide that is certain of another class than the label, and a student of the label."""
    student, guide = torch.zeros(1, 3), torch.zeros(1, 1, 3)
    student[0, 0], guide[0, 0, 1] = 90.0, 90.0
    for kind in ("kl", "dkd", "dist"):
        student.grad = None
        student.requires_grad_()
        loss = GuideLoss(kind=kind).of(student, torch.tensor([0]), guide, 1.0)
        loss.sum().backward()
        assert loss.isfinite().all() and student.grad is not None and student.grad.isfinite().all(), kind


@pytest.mark.parametrize(("objective", "scale"), [("paper", 1), ("mean", 1 / K), ("official", 1 / C)])
def test_objectives_sum_or_average_it_as_they_do_the_kl(objective: str, scale: float) -> None:
    loss = GuideLoss(kind="dist")
    parts = dense_guidance_loss(
        torch.from_numpy(STUDENT),
        torch.from_numpy(LABELS),
        torch.from_numpy(GUIDES) / T,
        guide_count=K,
        objective=objective,
        lambda_=1.0,
        temperature=T,
        guide_loss=loss,
    )
    assert parts.loss.item() == pytest.approx(T**2 * found(loss).sum() * scale, rel=1e-5)
    assert parts.kl.item() == pytest.approx(found(loss).sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "kd"}, "unknown guide loss.*dist, dkd, kl"),
        ({"weights": "guide"}, "unknown weights of guides.*equal, student"),
        ({"weights": "student", "kind": "dist"}, "cannot be weighted by sample"),
        ({"dkd_beta": -1.0}, "dkd_beta"),
        ({"weights": "student", "percentile": 100.5}, r"percentile.*\[0, 100\]"),
        ({"weights": "student", "percentile": -1.0}, "percentile"),
        ({"weights": "student", "percentile": True}, "percentile"),
        ({"percentile": 90.0}, 'no effect.*weights = "student"'),
        ({"standardize": 1}, "standardize"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(DgkdError, match=said):
        GuideLoss(**settings)
