"""The weights that are kept of a source: by the loss of the run itself, in its batches, under all its guides."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from support.tiny_chain import Lines
from torch.nn import functional as F

from dgkd_cache.config.pruning import PruningConfig
from dgkd_cache.config.workspace_config import override
from dgkd_cache.datasets.split import split_images
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.saved import load_model
from dgkd_cache.paths import CHECKPOINT_FILE
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.tasks import kept_weights
from dgkd_cache.workspace.tasks.kept_weights import choose_kept
from dgkd_cache.workspace.tasks.run_setup import TrainRequest, set_up_run
from dgkd_stores import GuideStore

CPU = torch.device("cpu")
STEPS, BATCH = 7, 24  # an epoch has four batches of 24


def kept(ws, objective: str, lambda_: float, progress=None, ranks: Ranks = ALONE) -> dict[str, torch.Tensor]:
    """By the task, for a run called `x` under two guides; one guide is dropped in most of its training steps."""
    settings = {"method": "dgkd", "objective": objective, "lambda": lambda_, "dropping": "bernoulli", "keep": 0.3}
    pruning = Pruning(
        source="student", sparsity=0.5, settings=PruningConfig(steps=STEPS, batch_size=BATCH, standardize=True)
    )
    request = TrainRequest(
        name="x",
        architecture="resnet8",
        guides=[ws.store_path(name) for name in ("teacher", "ta1")],
        training=ws.config.training_for("student"),
        distillation=override(ws.config.distillation, settings, name="distillation"),
        pruning=pruning,
    )
    with ExitStack() as opened:
        run = set_up_run(ws, request, opened, CPU, Lines(), ALONE)
        model, card = load_model(ws.run_folder("student"))
        return choose_kept(
            *(ws, request, run, model, Preprocessing(card.preprocess, channels_last=True)),
            split_images(ws.dataset().train, 0)[0],
            progress=progress or Lines(),
            stop=lambda: False,
            ranks=ranks,
        )


def standardised(logits: torch.Tensor) -> torch.Tensor:
    return (logits - logits.mean(-1, keepdim=True)) / logits.std(-1, keepdim=True)


def by_hand(ws, objective: str, lambda_: float) -> dict[str, torch.Tensor]:
    """The importance from the rows of the stores and the formulas of the objectives, written out for two guides."""
    model, card = load_model(ws.run_folder("student"))
    model = model.to(memory_format=torch.channels_last)
    as_input = Preprocessing(card.preprocess, channels_last=True)
    random, views = RunRandom(0), ViewRenderer(ws.plan(), ws.dataset().train)
    samples_N = split_images(ws.dataset().train, 0)[0]
    schedule = Schedule("cycle", 2, random=random, samples=len(samples_N))
    total = {name: torch.zeros_like(value).double() for name, value in model.named_parameters() if value.ndim > 1}
    step = 0
    stores = [GuideStore.open(ws.store_path(name)) for name in ("teacher", "ta1")]
    temperature = float(stores[0].header.temperature)
    for epoch in (0, 1):
        for views_B, samples_B in schedule.batches(epoch, random.order(epoch, samples_N), BATCH):
            if step == STEPS:
                break
            step += 1
            logits_BC = model(as_input(views.pixels(views_B, samples_B)))
            ce = F.cross_entropy(logits_BC, torch.from_numpy(views.images.labels_N[samples_B]))
            kl = torch.zeros(())
            for store in stores:
                rows_BC = torch.from_numpy(np.asarray(store.gather(views_B, samples_B))).float() * temperature
                p_BC = (standardised(rows_BC) / temperature).softmax(-1)
                log_q_BC = (standardised(logits_BC) / temperature).log_softmax(-1)
                kl = kl + (p_BC * (p_BC.log() - log_q_BC)).sum(-1).mean()
            scaled = lambda_ * temperature**2 * kl
            loss = 2 * (1 - lambda_) * ce + scaled if objective == "paper" else (1 - lambda_) * ce + scaled / 2
            model.zero_grad()
            loss.backward()
            for name, value in model.named_parameters():
                if name in total:
                    total[name] += (value.detach() * value.grad).abs()
    assert step == STEPS
    for store in stores:
        store.close()
    return total


@pytest.mark.parametrize(("objective", "lambda_"), [("paper", 0.5), ("mean", 0.9)])
def test_kept_are_those_of_the_largest_importance_by_hand(done, objective: str, lambda_: float) -> None:
    ws, _ = done
    found, importance = kept(ws, objective, lambda_), by_hand(ws, objective, lambda_)
    every = torch.cat([value.reshape(-1) for value in importance.values()]).sort().values
    removed = round(len(every) / 2)
    assert sum(int((~mask).sum()) for mask in found.values()) == removed
    low, high = every[removed - 1] * (1 - 1e-3), every[removed] * (1 + 1e-3)
    for name, mask in found.items():
        assert importance[name][mask].min() >= low and importance[name][~mask].max() <= high, name
    other = by_hand(ws, objective, 0.1)
    assert any((other[name][mask].min() < other[name][~mask].max() * 0.9) for name, mask in found.items()), "it differs"


@dataclass(frozen=True, kw_only=True)
class Second(Ranks):
    """The second of two ranks, to which the first sends `given`."""

    given: dict[str, torch.Tensor]
    rank: int = 1
    world: int = 2

    def broadcast(self, number: int) -> int:
        return 0  # the first rank has no checkpoint, whatever is here

    def broadcast_tensors(self, tensors: Iterable[torch.Tensor]) -> None:
        for mine, first in zip(tensors, self.given.values(), strict=True):
            mine.copy_(first)


def test_other_ranks_get_the_masks_of_the_first_and_choose_none(done, monkeypatch) -> None:
    ws, _ = done
    first = kept(ws, "paper", 0.5)
    monkeypatch.setattr(kept_weights, "gradient_importance", None)
    said = Lines()
    found = kept(ws, "paper", 0.5, said, Second(given=first))
    assert all(torch.equal(found[name], first[name]) for name in first) and said.lines == []
    assert not all(mask.all() for mask in found.values())


def test_a_run_that_goes_on_has_its_masks_from_the_checkpoint(done) -> None:
    ws, _ = done
    said = Lines()
    ws.run_folder("x").mkdir()
    (ws.run_folder("x") / CHECKPOINT_FILE).touch()
    assert all(mask.all() for mask in kept(ws, "paper", 0.5, said).values())
    assert said.lines == [], "nothing was removed, and nothing is told"
