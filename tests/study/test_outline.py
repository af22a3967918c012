"""The outline of a study: read back as written, and enough for the results of what is finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dgkd_cache.errors import Damaged
from dgkd_cache.progress import Silent
from dgkd_cache.study.outline import (
    OUTLINE_FILE,
    Outline,
    failures,
    read_outline,
    results_so_far,
    write_outline,
)
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_cache.study.timings import timings_so_far
from dgkd_cache.workspace.workspace import Workspace

OUTLINE = Outline(
    command="dgkd-cache compare",
    reference="a",
    pairs=(("b", "a"),),
    guides="shared",
    protocol="last",
    seeds=(3, 1),
    variants={"a": {"method": "scratch"}, "b": {"lambda": 0.5}},
    published={"b": {"accuracy": 71.5, "source": "a paper"}},
    students={"a": {3: "x", 1: "y"}, "b": {3: "z", 1: "w"}},
    guide_runs=("g",),
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_outline(tmp_path) is None
    write_outline(tmp_path / "new", OUTLINE)
    assert read_outline(tmp_path / "new") == OUTLINE


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"version": 2}', json.dumps({**OUTLINE.model_dump(), "more": 1})])
def test_what_is_no_outline_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / OUTLINE_FILE).write_text(text)
    with pytest.raises(Damaged):
        read_outline(tmp_path)


def test_the_results_of_a_study_need_no_plan(ws: Workspace) -> None:
    study = set_up_study(ws, methods=["scratch", "kd"], seeds=[4, 2])
    results = run_study(study, device="cpu", command="dgkd-cache compare", progress=Silent(), stop=lambda: False)
    outline = read_outline(study.folder)
    assert outline is not None and outline.command == "dgkd-cache compare"
    assert results_so_far(study.folder, outline) == results
    assert json.loads((study.folder / "results.json").read_text()) == json.loads(json.dumps(results))
    times = json.loads((study.folder / "timings.json").read_text())
    assert {run: of["seconds"] for run, of in timings_so_far(study.folder, outline.runs).items()} == {
        run: of["seconds"] for run, of in times.items()
    }
    lost = study.plan.students["kd", 2].name
    (study.folder / "records" / f"{lost}.json").unlink()
    some = results_so_far(study.folder, outline)
    assert [*some["variants"]["kd"]["runs"]] == ["4"] and some["comparisons"][0]["verdict"] == "incomplete"


def test_failures_are_those_that_are_still_missing(tmp_path: Path) -> None:
    assert failures(tmp_path, OUTLINE) == []
    failed = [{"run": "x", "what": "run"}, {"run": "of another study", "error": "NaN"}, 7]
    (tmp_path / "results.json").write_text(json.dumps({"failed": failed}))
    assert failures(tmp_path, OUTLINE) == failed[:1]


def test_a_store_has_failed_until_the_students_that_wait_for_it_are_there(tmp_path: Path) -> None:
    """Its run has a record, and so have the students of `a` alone, which need another store."""
    failed = [{"run": "g", "what": "store", "variants": ["b"]}, {"run": "g", "what": "store", "variants": 7}]
    (tmp_path / "results.json").write_text(json.dumps({"failed": failed}))
    (tmp_path / "records").mkdir()
    committed = next((Path(__file__).parents[2] / "docs" / "study").glob("*/records/*.json"))
    record = json.loads(committed.read_text())
    for run in ("g", "x", "y", "z"):
        (tmp_path / "records" / f"{run}.json").write_text(json.dumps({**record, "run": run}))
    assert failures(tmp_path, OUTLINE) == failed[:1]
    (tmp_path / "records" / "w.json").write_text(json.dumps({**record, "run": "w"}))
    assert failures(tmp_path, OUTLINE) == []
