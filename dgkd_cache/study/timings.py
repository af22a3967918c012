"""The seconds that a study's runs took, which are of one machine: timings.json, and sums over variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dgkd_cache.paths import CARD_FILE
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.study.costs import guides_of_runs, runs_before
from dgkd_cache.study.files import read_json
from dgkd_cache.study.plan import StudyPlan, StudyRun, StudyStore

__all__ = [
    "NEEDED",
    "TIMINGS_FILE",
    "Timings",
    "read_timings",
    "seconds_of",
    "timings_of",
    "timings_so_far",
    "variant_seconds",
]

NEEDED = ("guide_runs", "draw_of", "source_run")
"""The keys of records that `seconds_of` needs."""

TIMINGS_FILE = "timings.json"

Timings = Mapping[str, Mapping[str, float | None]]
"""Seconds and rates of runs by name, as timings.json has them."""


def read_timings(folder: Path) -> Timings:
    """Returns the timings in the folder of a study; none if it has no file of them. Raises Damaged if it is no JSON."""
    try:
        found = read_json(folder / TIMINGS_FILE)
    except FileNotFoundError:
        return {}
    return {
        run: {key: value for key, value in times.items() if value is None or isinstance(value, int | float)}
        for run, times in found.items()
        if isinstance(times, dict)
    }


def timings_of(plan: StudyPlan) -> Timings:
    """Returns the seconds of each run's training that is here, and its samples per second, by the run's name.

    A guide also has the seconds in which it was dumped, without those of a dump that was stopped; so has, by its name,
    each store of a draw.
    """
    from dgkd_cache.workspace.tasks import dump_seconds  # loads torch

    found: dict[str, dict[str, float | None]] = {}
    for one in plan.work:
        if isinstance(one, StudyRun) and (one.path / CARD_FILE).exists():
            seconds = load_card(one.path).seconds
            samples = len(one.workspace.dataset().train) - one.workspace.config.dataset.validation
            rate = one.training.epochs * samples / seconds if seconds else None
            found[one.name] = {"seconds": seconds, "samples_per_second": rate and round(rate, 1)}
            if (dumped := dump_seconds(one.path)) is not None:
                found[one.name]["dump_seconds"] = dumped
        elif isinstance(one, StudyStore) and one.draw is not None:
            if (dumped := dump_seconds(one.run.path, draw=one.draw)) is not None:
                found[one.path.stem] = {"dump_seconds": dumped}
    return found


def timings_so_far(folder: Path, runs: Iterable[str]) -> Timings:
    """Returns the seconds of training of those runs that are finished and in the folder of a study."""
    found = {run: folder / "runs" / run for run in runs}
    return {run: {"seconds": load_card(path).seconds} for run, path in found.items() if (path / CARD_FILE).exists()}


def seconds_of(
    students: Sequence[str], records: Mapping[str, Mapping[str, Any]], timings: Timings
) -> tuple[float | None, float | None, float | None]:
    """Returns the seconds in which students trained, in which the runs before them did, and in which these were dumped.

    `records` has the keys NEEDED of each run's record, by its name. Each figure is None unless the times of all its
    parts are known.
    """
    before = guides_of_runs(students, {name: runs_before(record) for name, record in records.items()})
    every = [records[run] for run in [*students, *before] if run in records]
    read = {run for record in every if not record.get("draw_of") for run in record["guide_runs"]} & {*before}
    draws = {store for record in every for store in record.get("draw_of", ())}

    def total(runs: Iterable[str], key: str) -> float | None:
        times = [timings.get(run, {}).get(key) for run in sorted(runs)]
        return None if None in times else float(sum(filter(None, times)))

    return total(students, "seconds"), total(before, "seconds"), total(read | draws, "dump_seconds")


def variant_seconds(results: Mapping[str, Any], timings: Timings, variant: str) -> dict[str, float | None]:
    """Returns the `seconds` in which the students of a variant trained, their samples per second, and `guides_seconds`.

    The last are those in which all guides trained and, if that is known of each, were dumped. A figure is None where
    the time of a run is not known.
    """
    students = [*results["variants"][variant]["runs"].values()]
    seconds, taught, dumped = seconds_of(students, results["runs"], timings)
    samples = results["variants"][variant]["cost"]["trained_samples"]
    return {
        "seconds": seconds,
        "samples_per_second": samples / seconds if seconds else None,
        "guides_seconds": None if taught is None else taught + (dumped or 0.0),
    }
