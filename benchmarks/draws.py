"""Measures what 16 draws as guides cost a training step, and what weights by agreement with the student cost a loss.

resnet8 on 32x32x3, batches of 128. The draws are taken by the pattern `teacher.d*`, and none is dropped: each step
reads 16 rows a sample. The loss alone is that of one batch, from the logits of the student to their gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import torch

from benchmarks.harness import (
    Timed,
    Times,
    arguments,
    at_least,
    at_most,
    finish,
    ratio,
    rounds,
    scratch,
    seconds,
    synchronize,
)
from benchmarks.result import Row
from benchmarks.synthetic import cifar_like, random_store, views_of
from benchmarks.training import Loop, cached, loop
from dgkd_cache.device.cores import own_cores
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.views.renderer import ViewRenderer

DRAWS = 16
VIEWS = 4
WEIGHTS = {
    "equal weights": GuideLoss(),
    "student weights": GuideLoss(weights="student"),
    "student weights, percentile 90": GuideLoss(weights="student", percentile=90),
}


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 24, "steps": 15, "losses": 60, "samples": 50_000}
    quick = {"rounds": 2, "steps": 2, "losses": 2, "samples": 2_000}
    options = arguments(__doc__, defaults, quick, given)
    found: dict[int, Times] = {}
    for classes in (10, 100):
        views = views_of(cifar_like(options.samples, classes))
        with scratch(options) as folder:
            for draw in range(DRAWS):
                random_store(folder / f"teacher.d{draw}.zarr", views, count=VIEWS)
            with cached([folder / "teacher.d*"], views, count=VIEWS, device=options.device) as bank:
                assert len(bank.names) == DRAWS
                found[classes] = rounds(_sides(views, bank, classes == 100, options), options.rounds)
    rows = [_step_row(classes, times) for classes, times in found.items()]
    rows += [row for name in WEIGHTS for row in _weights_rows(name, found[100])]
    finish("draws", "16 draws as guides, and student weights", rows, options)


def _sides(views: ViewRenderer, bank: GuideBank, weighted: bool, options: Any) -> dict[str, Timed]:
    """The step alone and under all draws; with `weighted`, in each way of weighing them, and each loss alone."""

    def under(guide_loss: GuideLoss) -> Loop:
        none = Dropping(kind="none")
        return loop(views, bank, device=options.device, count=VIEWS, dropping=none, guide_loss=guide_loss)

    alone = loop(views, None, device=options.device, count=VIEWS)
    sides = {"alone": alone.timed(options.steps)}
    for name, guide_loss in WEIGHTS.items() if weighted else [("equal weights", GuideLoss())]:
        guided = under(guide_loss)
        sides[f"step, {name}"] = guided.timed(options.steps)
        if weighted:
            sides[f"loss, {name}"] = _loss(guided, guide_loss, options.losses)
    return sides


def _loss(guided: Loop, guide_loss: GuideLoss, count: int) -> Timed:
    """The seconds of the loss of one batch and its gradient in the student's logits, over `count` times."""
    with closing(guided.steps.prefetch(0)) as fed:
        batch = next(fed)
    shape = batch.softened.shape[1:]
    logits_BC = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(guided.device).requires_grad_()

    def once() -> None:
        batch.loss(logits_BC, guide_loss=guide_loss).backward()
        logits_BC.grad = None

    def side(i: int) -> float:
        def all_of_them() -> None:
            for _ in range(count):
                once()
            synchronize(guided.device)

        with own_cores(guided.device):
            synchronize(guided.device)
            return seconds(all_of_them, count)

    return side


def _step_row(classes: int, times: Times) -> Row:
    return ratio(
        f"{classes} classes: step alone / with {DRAWS} draws cached, none dropped",
        times,
        over="alone",
        under="step, equal weights",
        floor_is="guidance for nothing",
        bar=at_least(0.93),
    )


def _weights_rows(name: str, times: Times) -> list[Row]:
    """The loss alone as a share of a step without guides, and the step under it beside the one of equal weights."""
    weighs = name != "equal weights"
    share = ratio(
        f"loss of 128 x {DRAWS} x 100 with its gradient, {name} / step alone",
        times,
        over=f"loss, {name}",
        under="alone",
        floor=None,
        bar=at_most(0.05) if weighs else None,
    )
    if not weighs:
        return [share]
    step = ratio(
        f"100 classes: step with {DRAWS} draws, equal weights / {name}",
        times,
        over="step, equal weights",
        under=f"step, {name}",
        floor_is="weights for nothing",
        bar=at_least(0.95),
    )
    return [share, step]


if __name__ == "__main__":
    main()
