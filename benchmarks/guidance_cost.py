"""What cached guidance costs a training step: the same loop with no guides and with the guides of a workspace.

    python benchmarks/guidance_cost.py WORKSPACE [--pairs 20] [--steps 15]

WORKSPACE is one that `dgkd-cache run` has finished; architecture, batch and views are those of its student. Blocks of
steps alternate, alone and guided, so that a machine whose speed drifts slows both; the ratio is taken pair by pair.
Prints a table and a line of JSON. The floor is the step without guides: a ratio of 1 is guidance for nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from itertools import islice

import numpy as np
import torch

from dgkd_cache.compute import describe, resolve_precision
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.models import Preprocess, build_model
from dgkd_cache.run_random import RunRandom
from dgkd_cache.training.trainer import Guided, Trainer
from dgkd_cache.views.schedule import Schedule
from dgkd_cache.views.stream import stream
from dgkd_cache.views.views import Views
from dgkd_cache.workspace.workspace import Workspace

CPU = torch.device("cpu")


def trainer_of(ws: Workspace, views: Views, guided: bool) -> Trainer:
    name = ws.chain[-1]
    training = ws.config.training_for(name)
    random = RunRandom(0)
    channels, height, width = ws.plan().view_shape
    dataset, count = ws.dataset(), ws.config.views.count
    stores = [ws.store_path(guide) for guide in ws.guides_for(name)]
    bank = GuideBank(stores, views=views, scheduled=range(count), temperature=4.0) if guided else None
    return Trainer(
        build_model(
            ws.architecture(name),
            channels=channels,
            classes=len(dataset.classes),
            height=height,
            width=width,
            seed=0,
        ),
        Preprocess.build(mean=dataset.mean, std=dataset.std).module(channels_last=training.channels_last),
        views=views,
        samples_N=split_samples(len(dataset.train), 0)[0],
        schedule=Schedule(ws.config.views.schedule, count, random=random, samples=len(dataset.train)),
        random=random,
        training=training,
        guided=Guided(guidance=bank, dropping=Dropping(), objective="paper", lambda_=0.5, temperature=4.0),
        device=CPU,
        precision=resolve_precision(training.precision, CPU),
    )


def seconds(trainer: Trainer, views: Views, first: int, steps: int) -> float:
    """A step's seconds, the mean over a block of steps."""
    started = time.perf_counter()
    for step, batch in enumerate(islice(stream(views, trainer.pairs(first), device=CPU), steps), first):
        trainer.train_step(batch, step)
    return (time.perf_counter() - started) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=15)
    arguments = parser.parse_args()
    ws = Workspace.open(arguments.workspace)
    views = Views(ws.plan(), ws.dataset().train)
    alone, guided = (trainer_of(ws, views, kind) for kind in (False, True))
    for trainer in (alone, guided):
        seconds(trainer, views, 0, arguments.steps)  # warm-up: kernels are chosen, first blocks of rows are checked
    pairs = [
        (
            seconds(alone, views, arguments.steps * (i + 1), arguments.steps),
            seconds(guided, views, arguments.steps * (i + 1), arguments.steps),
        )
        for i in range(arguments.pairs)
    ]
    ratios = sorted(a / g for a, g in pairs)
    low, high = np.quantile(ratios, (0.1, 0.9))
    result = {
        "student": ws.architecture(ws.chain[-1]),
        "guides": len(ws.guides_for(ws.chain[-1])),
        "pairs": arguments.pairs,
        "alone_ms": round(1e3 * statistics.median(a for a, _ in pairs), 2),
        "guided_ms": round(1e3 * statistics.median(g for _, g in pairs), 2),
        "alone_over_guided": round(statistics.median(ratios), 4),
        "p10": round(float(low), 4),
        "p90": round(float(high), 4),
        **describe(CPU, resolve_precision("auto", CPU)),
    }
    for key, value in result.items():
        print(f"{key:18} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
