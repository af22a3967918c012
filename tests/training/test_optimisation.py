"""Learning rates against torch's own schedulers."""

from __future__ import annotations

import pytest
import torch

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.training.optimisation import build_optimizer, learning_rate

STEPS = 5  # an epoch


def rates(scheduler_of, epochs: int, per_step: bool) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = scheduler_of(optimizer)
    found = []
    for step in range(epochs * STEPS):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if per_step or step % STEPS == STEPS - 1:
            scheduler.step()
    return found


def test_step_schedule_is_multi_step() -> None:
    config = TrainingConfig(epochs=160, lr=0.1)
    expected = rates(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [80, 120], gamma=0.1), 160, False)
    assert [learning_rate(config, step, STEPS) for step in range(800)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("epochs", "fractions", "expected"),
    [
        (1, (0.5, 0.75), [0]),
        (2, (0.5, 0.75), [0, 1]),  # 0.75 of two epochs is reached with the end of the second
        (4, (0.5, 0.75), [0, 0, 1, 2]),
        (5, (0.5, 0.75), [0, 0, 0, 1, 2]),
        (100, (0.29,), [0] * 29 + [1] * 71),
    ],
)
def test_a_step_is_taken_once_its_fraction_is_reached(epochs: int, fractions, expected: list[int]) -> None:
    config = TrainingConfig(epochs=epochs, lr=1.0, lr_steps=fractions)
    found = [learning_rate(config, epoch * STEPS, STEPS) for epoch in range(epochs)]
    assert found == pytest.approx([0.1**steps for steps in expected])


def test_cosine_is_cosine_annealing() -> None:
    config = TrainingConfig(epochs=10, lr=0.1, lr_schedule="cosine")
    expected = rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50), 10, True)
    assert [learning_rate(config, step, STEPS) for step in range(50)] == pytest.approx(expected, abs=1e-9)


def test_constant_with_warm_up() -> None:
    config = TrainingConfig(epochs=4, lr=0.2, lr_schedule="constant", warmup_epochs=2)
    expected = [0.2 * (step + 1) / 10 if step < 10 else 0.2 for step in range(20)]
    assert [learning_rate(config, step, STEPS) for step in range(20)] == pytest.approx(expected)


def test_the_optimisers_get_their_settings() -> None:
    model = torch.nn.Linear(2, 2)
    sgd = build_optimizer(model, TrainingConfig(momentum=0.8, nesterov=True, weight_decay=0.01))
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"], sgd.defaults["weight_decay"]) == (
        0.8,
        True,
        0.01,
    )
    adamw = build_optimizer(model, TrainingConfig(optimizer="adamw", lr=0.003, weight_decay=0.02))
    assert isinstance(adamw, torch.optim.AdamW)
    assert (adamw.defaults["lr"], adamw.defaults["weight_decay"]) == (0.003, 0.02)
