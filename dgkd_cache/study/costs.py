"""What the runs of a study cost: passes of models by count, which is exact, and seconds, which are of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dgkd_cache.paths import CARD_FILE
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.study.plan import StudyPlan, StudyRun
from dgkd_cache.workspace.tasks.model_setup import dropping_of

__all__ = ["cost_of", "timings_of", "total_cost"]


def cost_of(run: StudyRun, samples: int) -> dict[str, int]:
    """Returns the epochs, steps and samples that a run trained on, and the rows of guides that it read.

    `samples` is the number of training samples. A row stands for one forward pass of a guide that was not made; a run
    with live guides made them all, and has them as `live_forwards` instead.
    """
    epochs, size = run.training.epochs, run.training.batch_size
    batches = [min(size, samples - start) for start in range(0, samples, size)]
    rows = 0
    if run.guides:
        names = [store.run.name for store in run.guides]
        dropping, random = dropping_of(run.distillation, names), RunRandom(run.training.seed)
        kept_S = [int(dropping.keep_mask(random, step, names).sum()) for step in range(epochs * len(batches))]
        rows = int(np.dot(kept_S, batches * epochs))
    return {
        "epochs": epochs,
        "steps": epochs * len(batches),
        "trained_samples": epochs * samples,
        "guide_rows": 0 if run.live else rows,
        **({"live_forwards": rows} if run.live else {}),
    }


def total_cost(students: Sequence[Mapping[str, int]], guides: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Returns the sums of the costs of a variant's students, and of their guides, which are trained and dumped once.

    `guide_forwards` is what the dumps forward; live guides would have forwarded `guide_rows` of both. `live_forwards`
    is what live guides did forward.
    """
    keys = ("epochs", "steps", "trained_samples", "guide_rows")
    return {
        **{key: sum(cost[key] for cost in students) for key in keys},
        **{f"guides_{key}": sum(cost[key] for cost in guides) for key in keys},
        "live_forwards": sum(cost.get("live_forwards", 0) for cost in students),
        "guide_forwards": sum(cost["dump_forwards"] for cost in guides),
    }


def timings_of(plan: StudyPlan) -> Mapping[str, Any]:
    """Returns the seconds of each run's training that is here, and its samples per second, by the run's name."""
    found = {}
    for one in plan.work:
        if isinstance(one, StudyRun) and (one.path / CARD_FILE).exists():
            card = load_card(one.path)
            samples = len(one.workspace.dataset().train) - one.workspace.config.dataset.validation
            rate = one.training.epochs * samples / card.seconds if card.seconds else None
            found[one.name] = {"seconds": card.seconds, "samples_per_second": rate and round(rate, 1)}
    return found
