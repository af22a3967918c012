"""Seconds of runs: those of the runs that are here, sums over a variant, and a file that may be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.progress import Silent
from dgkd_cache.study.plan import StudyRun
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_cache.study.timings import TIMINGS_FILE, read_timings, seconds_of, timings_of, variant_seconds
from dgkd_cache.workspace.workspace import Workspace


def test_of_the_runs_that_are_here(ws: Workspace) -> None:
    study = set_up_study(ws, methods=["kd"], seeds=[5])
    run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    timings = timings_of(study.plan)
    guides = {
        run.name for run in study.plan.work if isinstance(run, StudyRun) and run is not study.plan.students["kd", 5]
    }
    assert {name for name, one in timings.items() if "dump_seconds" in one} == guides
    assert timings.keys() == {path.name for path in (study.folder / "runs").iterdir()}
    assert all(
        one["samples_per_second"] == pytest.approx(192 / one["seconds"], rel=0.01)
        for one in timings.values()
        if one["seconds"] > 0.01
    )


def test_seconds_of_a_variant() -> None:
    runs = {
        "s1": {"guide_runs": ["a"]},
        "s2": {"guide_runs": ["a"]},
        "a": {"guide_runs": ["t"]},
        "t": {"guide_runs": []},
    }
    results = {"runs": runs, "variants": {"x": {"runs": {"0": "s1", "1": "s2"}, "cost": {"trained_samples": 600}}}}
    timings = {"s1": {"seconds": 1.0}, "s2": {"seconds": 2.0}, "a": {"seconds": 4.0}, "t": {"seconds": 8.0}}
    found = variant_seconds(results, timings, "x")
    assert found == {"seconds": 3.0, "samples_per_second": 200.0, "guides_seconds": 12.0}
    del timings["t"]
    assert variant_seconds(results, timings, "x")["guides_seconds"] is None
    timings |= {"t": {"seconds": 8.0, "dump_seconds": 0.5}}
    assert variant_seconds(results, timings, "x")["guides_seconds"] == 12, "one of two dumps would say too little"
    timings["a"] |= {"dump_seconds": 0.25}
    assert variant_seconds(results, timings, "x")["guides_seconds"] == 12.75
    assert seconds_of(["s1", "s2"], runs, timings) == (3.0, 12.0, 0.75)
    del timings["s1"], timings["a"]["dump_seconds"]
    assert seconds_of(["s1", "s2"], runs, timings) == (None, 12.0, None)


def test_of_a_file_that_was_changed_the_numbers_count(tmp_path: Path) -> None:
    assert read_timings(tmp_path) == {}
    (tmp_path / TIMINGS_FILE).write_text('{"r": {"seconds": 1.5, "rate": "fast", "dump_seconds": null}, "s": 3}')
    assert read_timings(tmp_path) == {"r": {"seconds": 1.5, "dump_seconds": None}}
