"""The objectives against formulas written another way: plain Python loops over probabilities, and torch's KLDivLoss."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import nn

from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distillation.objectives import ObjectiveName, dense_guidance_loss, objective_names
from dgkd_cache.errors import InvalidInput, UnknownName

B, C = 7, 5


def test_type_checkers_know_every_name() -> None:
    assert set(get_args(ObjectiveName)) == set(objective_names())


def softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def by_hand(logits, labels, guides, *, n: int, objective: str, lam: float, t: float) -> float:
    """The loss from probabilities, one sample and one class at a time."""
    students = [softmax(row) for row in logits.tolist()]
    ce = -sum(math.log(p[y]) for p, y in zip(students, labels.tolist(), strict=True)) / len(students)
    kls = []
    for guide in guides.tolist():
        total = 0.0
        for student_row, guide_row in zip(logits.tolist(), guide, strict=True):
            q = softmax([x / t for x in student_row])
            p = softmax(guide_row)  # softened already
            total += sum(pi * math.log(pi / qi) for pi, qi in zip(p, q, strict=True))
        kls.append(total / len(students))
    if objective == "paper":
        return n * (1 - lam) * ce + lam * t * t * sum(kls)
    if objective == "official":
        return (1 - lam) * ce + lam * t * t * sum(kl / C for kl in kls)
    return (1 - lam) * ce + (lam * t * t * sum(kls) / len(kls) if kls else 0.0)


def data(guides: int, *, t: float = 4.0, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(B, C, generator=generator) * 3
    softened = torch.randn(guides, B, C, generator=generator) * 3 / t
    return logits, torch.randint(0, C, (B,), generator=generator), softened


@pytest.mark.parametrize("objective", ["paper", "official", "mean"])
@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kept", [0, 1, 3, 7])
@pytest.mark.parametrize("t", [1.0, 4.0])
def test_against_loops(objective: str, lam: float, kept: int, t: float) -> None:
    logits, labels, softened = data(kept, t=t)
    loss = dense_guidance_loss(logits, labels, softened, guide_count=7, objective=objective, lambda_=lam, temperature=t)
    expected = by_hand(logits, labels, softened, n=7, objective=objective, lam=lam, t=t)
    assert float(loss.loss) == pytest.approx(expected, rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("drop", [0, 2])
def test_official_is_the_authors_line(drop: int) -> None:
    """loss = (1 - lambda) CE + lambda T T sum(nn.KLDivLoss()(log_softmax(s / T), softmax(t / T)))."""
    t, lam = 5.0, 0.7
    logits, labels, softened = data(4, t=t, seed=3)
    kept = softened[drop:]
    with pytest.warns(UserWarning, match="batchmean"):  # torch warns of the very default that the authors used
        terms = [nn.KLDivLoss()(torch.log_softmax(logits / t, 1), g.softmax(1)) for g in kept]
    expected = (1 - lam) * nn.CrossEntropyLoss()(logits, labels) + lam * t * t * sum(terms)
    ours = dense_guidance_loss(logits, labels, kept, guide_count=4, objective="official", lambda_=lam, temperature=t)
    torch.testing.assert_close(ours.loss, expected)


@pytest.mark.parametrize("objective", objective_names())
def test_no_guides_is_cross_entropy_and_all_dropped_keeps_its_weight(objective: str) -> None:
    logits, labels, softened = data(0)
    ce = nn.functional.cross_entropy(logits, labels)
    alone = dense_guidance_loss(logits, labels, None, guide_count=0, objective=objective, lambda_=0.9, temperature=4.0)
    assert float(alone.loss) == float(ce)
    dropped = dense_guidance_loss(
        logits, labels, softened, guide_count=3, objective=objective, lambda_=0.75, temperature=4.0
    )
    weight = 3 * 0.25 if objective == "paper" else 0.25
    assert float(dropped.loss) == pytest.approx(weight * float(ce), rel=1e-6)
    assert float(dropped.kl) == 0.0


@pytest.mark.parametrize("objective", objective_names())
def test_gradient_against_differences(objective: str) -> None:
    logits, labels, softened = data(3)
    arguments = {"guide_count": 3, "objective": objective, "lambda_": 0.4, "temperature": 2.0}
    logits.requires_grad_(True)
    dense_guidance_loss(logits, labels, softened, **arguments).loss.backward()
    step = 1e-3
    for b, c in ((0, 0), (3, 2), (6, 4)):
        up, down = logits.detach().clone(), logits.detach().clone()
        up[b, c] += step
        down[b, c] -= step
        slope = (
            by_hand(up, labels, softened, n=3, objective=objective, lam=0.4, t=2.0)
            - by_hand(down, labels, softened, n=3, objective=objective, lam=0.4, t=2.0)
        ) / (2 * step)
        assert float(logits.grad[b, c]) == pytest.approx(slope, rel=1e-2, abs=1e-4)


def test_a_student_equal_to_its_guide_has_no_divergence() -> None:
    logits, labels, _ = data(1)
    loss = dense_guidance_loss(logits, labels, logits[None] / 4.0, guide_count=1, lambda_=1.0, temperature=4.0)
    assert float(loss.loss) == pytest.approx(0.0, abs=1e-5)


def test_half_precision_logits_give_a_float32_loss() -> None:
    logits, labels, softened = data(2)
    loss = dense_guidance_loss(logits.bfloat16(), labels, softened.half(), guide_count=2, temperature=4.0)
    assert loss.loss.dtype == torch.float32


def two_labels(classes: int = C):
    generator = torch.Generator().manual_seed(9)
    return {
        "partner_labels_B": torch.randint(0, classes, (B,), generator=generator),
        "label_share_B": torch.rand(B, generator=generator),
    }


@pytest.mark.parametrize("objective", ["paper", "official", "mean"])
@pytest.mark.parametrize("kept", [0, 3])
def test_two_labels_of_an_image_share_its_cross_entropy(objective: str, kept: int) -> None:
    """The loss is linear in the labels: a share of each image's with one label, the rest of that with the other."""
    logits, labels, softened = data(kept)
    mixed, settings = two_labels(), {"n": 3, "objective": objective, "lam": 0.3, "t": 4.0}
    expected = 0.0
    for b, (share, other) in enumerate(zip(mixed["label_share_B"], mixed["partner_labels_B"], strict=True)):
        for part, label in ((float(share), labels[b]), (1 - float(share), other)):
            one = slice(b, b + 1)
            expected += part * by_hand(logits[one], label[None], softened[:, one], **settings) / B
    loss = dense_guidance_loss(
        logits, labels, softened, guide_count=3, objective=objective, lambda_=0.3, temperature=4.0, **mixed
    )
    assert float(loss.loss) == pytest.approx(expected, rel=2e-5)
    theirs = nn.functional.one_hot(labels, C) * mixed["label_share_B"][:, None]
    theirs = theirs + nn.functional.one_hot(mixed["partner_labels_B"], C) * (1 - mixed["label_share_B"][:, None])
    torch.testing.assert_close(loss.ce, nn.functional.cross_entropy(logits, theirs))


def test_whole_shares_are_single_labels() -> None:
    logits, labels, softened = data(2)
    others = two_labels()["partner_labels_B"]
    arguments = {"guide_count": 2, "temperature": 4.0}
    for share, label in ((1.0, labels), (0.0, others)):
        mixed = {"partner_labels_B": others, "label_share_B": torch.full((B,), share)}
        one = dense_guidance_loss(logits, labels, softened, **arguments, **mixed)
        torch.testing.assert_close(one.loss, dense_guidance_loss(logits, label, softened, **arguments).loss)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label_share_B": None}, "'label_share_B' cannot be used: expected the share of labels_B in each image"),
        ({"partner_labels_B": None}, "'partner_labels_B' cannot be used: expected the number of each image's class"),
        ({"label_share_B": torch.zeros(B, dtype=torch.int64)}, r"a floating-point tensor \(7,\), found int64 \[7\]"),
        ({"label_share_B": torch.zeros(3)}, r"floating-point tensor \(7,\), found float32 \[3\]"),
        ({"partner_labels_B": torch.zeros(B)}, r"a tensor of int64 \(7,\), found float32 \[7\]"),
        ({"partner_labels_B": torch.full((B,), C)}, "a label names no class: expected labels from 0 to 4"),
        ({"guide_loss": GuideLoss(kind="dkd")}, "dkd cannot be taken of images that mix two samples: expected .*kl or"),
    ],
)
def test_second_labels_that_cannot_be(change, words: str) -> None:
    logits, labels, softened = data(1)
    with pytest.raises(InvalidInput, match=words):
        dense_guidance_loss(logits, labels, softened, guide_count=1, temperature=4.0, **{**two_labels(), **change})


def test_losses_of_single_samples_and_of_correlations_take_two_labels_and_dkd_does_without_guides() -> None:
    logits, labels, softened = data(2)
    for guide_loss in (GuideLoss(standardize=True, weights="student"), GuideLoss(kind="dist")):
        arguments = {"guide_count": 2, "temperature": 4.0, "lambda_": 1.0, "guide_loss": guide_loss}
        two, one = (
            dense_guidance_loss(logits, labels, softened, **arguments, **mixed).loss for mixed in (two_labels(), {})
        )
        torch.testing.assert_close(two, one)
    alone = {"guide_count": 0, "temperature": 4.0, "guide_loss": GuideLoss(kind="dkd")}
    assert torch.isfinite(dense_guidance_loss(logits, labels, None, **alone, **two_labels()).loss)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"objective": "papper"}, UnknownName, "did you mean paper"),
        ({"lambda_": 1.5}, InvalidInput, "argument 'lambda_' cannot be used: expected a number in [0, 1]"),
        ({"temperature": 0.0}, InvalidInput, "argument 'temperature' cannot be used: expected a number > 0"),
    ],
)
def test_bad_settings(change, error, words: str) -> None:
    logits, labels, softened = data(1)
    with pytest.raises(error) as caught:
        dense_guidance_loss(logits, labels, softened, guide_count=1, **{"temperature": 4.0, **change})
    assert words in str(caught.value) and caught.value.exit_code == 2
