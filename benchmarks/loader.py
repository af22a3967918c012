"""Measures a loop of one's own over `GuideBank.loader` beside the project's own training steps.

resnet8 on 32x32x3, batches of 128, guides resnet26, resnet20 and resnet14 as stores of random rows, dropping on
(keep 0.75). Both sides have the same data, guides, seed, precision, memory format and optimiser, and go on from one
round to the next. The own loop is what docs/library.md shows: the loader, the loss, and the optimiser's three lines.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import nn

from benchmarks.harness import Stopwatch, Timed, arguments, at_least, finish, ratio, rounds, scratch, synchronize
from benchmarks.synthetic import PREPROCESS, cifar_like, random_stores, views_of
from benchmarks.training import TEMPERATURE, loop
from dgkd_cache.device.cores import own_cores
from dgkd_cache.device.device import autocast, choose, place
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.registry import build_model

GUIDES, BATCH, EPOCHS = 3, 128, 10_000


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 24, "steps": 40, "samples": 50_000, "views": 10}
    quick = {"rounds": 2, "steps": 2, "samples": 512, "views": 2}
    options = arguments(__doc__, defaults, quick, given)
    device, count = options.device, options.views
    views = views_of(cifar_like(options.samples, 10))
    with scratch(options) as folder:
        stores = random_stores(folder, views, GUIDES, count=count)
        with GuideBank(stores, views.images, views=range(count), temperature=TEMPERATURE, device=device) as bank:
            trainer = loop(views, bank, device=device, count=count, batch_size=BATCH)
            batches = iter(bank.loader(batch_size=BATCH, epochs=EPOCHS))
            sides = {"trainer": trainer.timed(options.steps), "loader": _own_loop(batches, options.steps, device)}
            times = rounds(sides, options.rounds)
            trainer.close()
            batches.close()
    row = ratio(
        "steps a second, a loop over bank.loader / the project's own",
        times,
        over="trainer",
        under="loader",
        floor_is="the project's own training",
        bar=at_least(0.97),
    )
    per_second = ", ".join(f"{name} {1 / statistics.median(seconds):.1f}" for name, seconds in times.items())
    finish("loader", "A loop of one's own over the loader", [row], options, [f"Steps a second: {per_second}."])


def _own_loop(batches: Iterator[GuidedBatch], steps: int, device: torch.device) -> Timed:
    """A side: the seconds of one step of a plain loop with the trainer's student, precision and optimiser."""
    chosen = choose(device)
    network = build_model("resnet8", channels=3, classes=10, height=32, width=32, seed=0).train()
    preprocess = Preprocessing(PREPROCESS, channels_last=chosen.channels_last).to(device)
    student = nn.Sequential(preprocess, place(network, device, channels_last=chosen.channels_last))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def side(i: int) -> float:
        with own_cores(device):
            synchronize(device)
            stopwatch = Stopwatch()
            for batch in islice(batches, steps):
                with autocast(device, chosen.precision):
                    logits_BC = student(batch.pixels)
                loss = batch.loss(logits_BC)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            synchronize(device)
            return stopwatch.span(steps)

    return side


if __name__ == "__main__":
    main()
