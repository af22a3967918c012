"""The cost of a study's runs: passes of models by count, which is exact, and sums over variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.study.plan import StudyRun

__all__ = ["cost_of", "guides_of_runs", "runs_before", "total_cost"]


def cost_of(run: StudyRun, samples: int) -> dict[str, int]:
    """Returns the epochs, steps and samples that a run trained on, and the rows of guides that it read.

    `samples` is the number of training samples. A row stands for one forward pass of a guide that was not made; a run
    with live guides made them all, and has them as `live_forwards` instead. A run that is pruned by gradients has
    `importance_samples`, those whose gradients it took; under guides it read their rows as well.
    """
    from dgkd_cache.workspace.tasks.model_setup import dropping_of  # loads torch, which sums of costs do without

    epochs, batches = run.training.epochs, _batches(samples, run.training.batch_size)
    rows = 0
    if run.guides:
        names = [store.guide for store in run.guides]
        dropping, random = dropping_of(run.distillation, names), RunRandom(run.training.seed)
        kept_S = [int(dropping.keep_mask(random, step, names).sum()) for step in range(epochs * len(batches))]
        rows = int(np.dot(kept_S, batches * epochs))
    judged = _importance_samples(run, samples)
    if judged and run.pruning and run.pruning.settings.criterion == "guided":
        rows += judged * len(run.guides)
    return {
        "epochs": epochs,
        "steps": epochs * len(batches),
        "trained_samples": epochs * samples,
        "guide_rows": 0 if run.live else rows,
        **({"live_forwards": rows} if run.live else {}),
        **({"importance_samples": judged} if judged else {}),
    }


def _batches(samples: int, size: int) -> list[int]:
    """Returns the sizes of an epoch's batches."""
    return [min(size, samples - start) for start in range(0, samples, size)]


def _importance_samples(run: StudyRun, samples: int) -> int:
    """Returns the samples whose gradients the importance of a pruned run takes."""
    if run.pruning is None or run.pruning.settings.criterion == "magnitude":
        return 0
    epochs, rest = divmod(
        run.pruning.settings.steps, len(batches := _batches(samples, run.pruning.settings.batch_size))
    )
    return epochs * samples + sum(batches[:rest])


def runs_before(record: Mapping[str, Any]) -> list[str]:
    """Returns the runs that the run of a record needs: its guides', and the one that it is pruned from."""
    return [*record["guide_runs"], *([source] if (source := record.get("source_run")) else [])]


def total_cost(students: Sequence[Mapping[str, Any]], guides: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """Returns the sums of the costs of a variant's students, and of their guides, which are trained and dumped once.

    Both are given by their records. `guide_forwards` is what the dumps forward that are read, and those that controls
    are made of, `live_forwards` what live guides forward, and `guide_forwards_saved` how many more forwards live guides
    would have taken in place of the dumps: the rows that both read, less those of the dumps. `cache_bytes` is the size
    of the stores that they read; None if a record does not tell. The guides count with those of the runs that students
    are pruned from, and these runs with them.
    """
    keys = ("epochs", "steps", "trained_samples", "guide_rows")
    mine, theirs = ([record["cost"] for record in records] for records in (students, guides))
    # What reads draws reads no store of the model itself.
    readers = [one for one in [*students, *guides] if not {"live_forwards", "draw_forwards"} & one["cost"].keys()]
    read = {run for one in readers for run in one["guide_runs"]}
    forwards = sum(one["cost"]["dump_forwards"] for one in guides if one["run"] in read)
    of_stores = {
        name: count
        for cost in [*mine, *theirs]
        for kind in ("control_forwards", "draw_forwards")
        for name, count in cost.get(kind, {}).items()
    }
    forwards += sum(of_stores.values())
    return {
        **{key: sum(cost[key] for cost in mine) for key in keys},
        **{f"guides_{key}": sum(cost[key] for cost in theirs) for key in keys},
        "live_forwards": sum(cost.get("live_forwards", 0) for cost in mine),
        "guide_forwards": forwards,
        "guide_forwards_saved": sum(cost["guide_rows"] for cost in [*mine, *theirs]) - forwards,
        "cache_bytes": _cache_bytes([*students, *guides]),
    }


def _cache_bytes(records: Sequence[Mapping[str, Any]]) -> int | None:
    stores: dict[str, int] = {}
    for record in records:
        if "live_forwards" in record["cost"]:
            continue  # its stores are measured, and not read
        if record["guide_runs"] and "store_bytes" not in record:
            return None  # it is older than this key
        stores |= record.get("store_bytes", {})
    return sum(stores.values())


def guides_of_runs(runs: Iterable[str], guide_runs: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the names of all runs before these, and before them, each once, in ascending order.

    `guide_runs` has `runs_before` each run with a record. One without a record, which is made again, is left out.
    """
    found: set[str] = set()
    waiting = [*runs]
    while waiting:
        for guide in guide_runs[waiting.pop()]:
            if guide not in found and guide in guide_runs:
                found.add(guide)
                waiting.append(guide)
    return sorted(found)
