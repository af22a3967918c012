"""The objectives against formulas written another way: plain Python loops over probabilities, and torch's KLDivLoss."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import nn

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
