"""The seconds that a study's runs took, which are of one machine: timings.json, and sums over variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dgkd_cache.paths import CARD_FILE
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.study.costs import guides_of_runs
from dgkd_cache.study.files import read_json
from dgkd_cache.study.plan import StudyPlan, StudyRun

__all__ = ["TIMINGS_FILE", "Timings", "read_timings", "seconds_of", "timings_of", "timings_so_far", "variant_seconds"]

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

    A guide also has the seconds in which it was dumped, without those of a dump that was stopped.
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
    return found


def timings_so_far(folder: Path, runs: Iterable[str]) -> Timings:
    """Returns the seconds of training of those runs that are finished and in the folder of a study."""
    found = {run: folder / "runs" / run for run in runs}
    return {run: {"seconds": load_card(path).seconds} for run, path in found.items() if (path / CARD_FILE).exists()}


def seconds_of(
    students: Sequence[str], guides: Sequence[str], timings: Timings
) -> tuple[float | None, float | None, float | None]:
    """Returns the seconds in which students trained, in which their guides trained, and in which these were dumped.

    Each is None unless the times of all its runs are known.
    """

    def total(runs: Sequence[str], key: str) -> float | None:
        times = [timings.get(run, {}).get(key) for run in runs]
        return None if None in times else float(sum(filter(None, times)))

    return total(students, "seconds"), total(guides, "seconds"), total(guides, "dump_seconds")


def variant_seconds(results: Mapping[str, Any], timings: Timings, variant: str) -> dict[str, float | None]:
    """Returns the `seconds` in which the students of a variant trained, their samples per second, and `guides_seconds`.

    The last are those in which all guides trained and, if that is known of each, were dumped. A figure is None where
    the time of a run is not known.
    """
    guide_runs = {name: record["guide_runs"] for name, record in results["runs"].items()}
    students = [*results["variants"][variant]["runs"].values()]
    seconds, taught, dumped = seconds_of(students, guides_of_runs(students, guide_runs), timings)
    samples = results["variants"][variant]["cost"]["trained_samples"]
    return {
        "seconds": seconds,
        "samples_per_second": samples / seconds if seconds else None,
        "guides_seconds": None if taught is None else taught + (dumped or 0.0),
    }
