"""Steps: one step by hand, and what a network that cannot be trained is told."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule

CPU = torch.device("cpu")
RANDOM = RunRandom(5)
SAMPLES_N = np.arange(10, 100)  # 90 samples: 32, 32 and 26 in an epoch


@pytest.fixture
def steps_of(bars, plan, as_input) -> Callable[..., Steps]:
    """The steps of a model with plain SGD; `settings` are those of the recipe."""

    def make(
        model: nn.Module,
        *,
        guidance: Any = None,
        ranks: Ranks = ALONE,
        views: ViewRenderer | None = None,
        samples_N: np.ndarray = SAMPLES_N,
        **settings: Any,
    ) -> Steps:
        recipe = {"epochs": 3, "batch_size": 32, "lr": 0.5, "momentum": 0.0, "weight_decay": 0.0} | settings
        recipe |= {"precision": "float32", "channels_last": False, "lr_schedule": "constant"}
        return Steps(
            model,
            as_input,
            views=views or ViewRenderer(plan, bars.train),
            samples_N=samples_N,
            schedule=Schedule("cycle", 2, random=RANDOM, samples=100),
            random=RANDOM,
            training=TrainingConfig(**recipe),
            guided=Guided(guidance=guidance, dropping=Dropping(keep=0.5), objective="mean", lambda_=0.5),
            device=CPU,
            ranks=ranks,
        )

    return make


def linear(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))


def test_steps_are_plain_sgd_on_the_cross_entropy(steps_of, bars, as_input) -> None:
    """The second one tells whether the first one's gradients are gone."""
    model = linear()
    by_hand = copy.deepcopy(model)
    steps = steps_of(model)
    assert (steps.count, steps.steps_per_epoch) == (9, 3)
    for batch in itertools.islice(steps.prefetch(0), 2):
        assert not len(batch.softened)
        loss, correct = steps.train_step(batch)
        labels_B = torch.from_numpy(bars.train.labels_N[batch.samples])
        logits_BC = by_hand(as_input(batch.pixels))
        expected = -logits_BC.log_softmax(1)[range(32), labels_B].mean()
        gradients = torch.autograd.grad(expected, list(by_hand.parameters()))
        assert float(loss.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
        assert int(correct) == int((logits_BC.argmax(1) == labels_B).sum())
        with torch.no_grad():
            for found, one, gradient in zip(model.parameters(), by_hand.parameters(), gradients, strict=True):
                one -= 0.5 * gradient
                torch.testing.assert_close(found.detach(), one.detach())


def test_a_step_on_mixed_views_learns_from_both_labels_and_counts_the_samples_own(steps_of, bars, as_input) -> None:
    plan = ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)", "mixup(0.4)"], held_out=10)
    views, model = ViewRenderer(plan, bars.train), linear()
    by_hand = copy.deepcopy(model)
    steps = steps_of(model, views=views, samples_N=split_samples(100, 10)[0])
    batch = next(iter(steps.prefetch(0)))
    loss, correct = steps.train_step(batch)
    partners_B, share_B = views.mixed_with(batch.views, batch.samples)
    logits_BC = by_hand(as_input(views.pixels(batch.views, batch.samples)))
    target_BC = np.eye(4)[bars.train.labels_N[batch.samples]] * share_B[:, None]
    target_BC += np.eye(4)[bars.train.labels_N[partners_B]] * (1 - share_B[:, None])
    expected = -(torch.from_numpy(target_BC).float() * logits_BC.log_softmax(1)).sum(1).mean()
    assert float(loss.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert int(correct) == int((logits_BC.argmax(1).numpy() == bars.train.labels_N[batch.samples]).sum())
    gradients = torch.autograd.grad(expected, list(by_hand.parameters()))
    for found, one, gradient in zip(model.parameters(), by_hand.parameters(), gradients, strict=True):
        torch.testing.assert_close(found.detach(), one.detach() - 0.5 * gradient)


def test_a_network_that_gives_other_rows_is_told(steps_of) -> None:
    for network, found in (
        (nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (1, -1)), nn.LazyLinear(4)), r"float32 \[1, 4\]"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Flatten(0)), r"float32 \[128\]"),
    ):
        network(torch.zeros(32, 1, 8, 8))
        steps = steps_of(network)
        batch = next(iter(steps.prefetch(0)))
        with pytest.raises(InvalidInput, match=rf"each of the 32 images of a batch: expected .*found {found}"):
            steps.train_step(batch)


def test_a_batch_of_one_sample_is_told_where_batch_norm_cannot_take_it(steps_of) -> None:
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 4)).train()
    steps = steps_of(pooled, batch_size=89)
    batch = next(itertools.islice(steps.prefetch(0), 1, None))
    assert len(batch) == 1
    with pytest.raises(
        InvalidInput, match="a batch of one sample cannot train .*at least two samples.*training.batch_size"
    ):
        steps.train_step(batch)
