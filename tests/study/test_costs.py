"""Costs against counting the batches of a run as it was trained."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.tiny_chain import train

from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.live import LiveGuides
from dgkd_cache.progress import Silent
from dgkd_cache.study.costs import guides_of_runs, total_cost
from dgkd_cache.study.plan import StudyRun, StudyStore
from dgkd_cache.study.records import read_record, record_path
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore


def test_the_rows_that_a_run_read_are_counted(ws: Workspace) -> None:
    study = set_up_study(ws, methods=["dgkd+drop"], seeds=[5])
    run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    student = study.plan.students["dgkd+drop", 5]
    record = read_record(student)
    assert record is not None
    rows = samples = steps = 0
    with GuideBank([store.path for store in student.guides], ws.dataset().train) as bank:
        for batch in bank.loader(batch_size=32, epochs=2, seed=5, dropping=Dropping(keep=0.75)):
            rows += len(batch.softened) * len(batch)
            samples, steps = samples + len(batch), steps + 1
    cost = record["cost"]
    assert (cost["guide_rows"], cost["trained_samples"], cost["steps"], cost["epochs"]) == (rows, samples, steps, 2)
    assert 0 < rows < 2 * samples
    with GuideStore.open(student.guides[0].path) as store:
        views, tests = len(store.views), len(store.test_label_M)
    # every view, the test set, the rows that judge the encoding (all of so few), and the first batch once more
    assert cost["dump_forwards"] == views * 96 + tests + 96 + min(32, tests)


def test_totals() -> None:
    cost = {"epochs": 2, "steps": 3, "trained_samples": 5, "guide_rows": 7, "dump_forwards": 11}
    student = {"cost": cost, "guide_runs": ["g"], "store_bytes": {"g-1": 100}}
    found = total_cost([student, student], [{"run": "g", "cost": cost, "guide_runs": []}])
    assert found["guides_guide_rows"] == 7 and found["guide_rows"] == 14 and found["guide_forwards"] == 11
    assert found["guide_forwards_saved"] == 14 + 7 - 11 and found["cache_bytes"] == 100, "a shared store counts once"
    counted = {key: value for key, value in found.items() if key not in ("guide_forwards_saved", "cache_bytes")}
    assert np.sum([*counted.values()]) == 2 * (2 + 3 + 5 + 7) + (2 + 3 + 5 + 7) + 11


def test_a_live_student_reads_no_store() -> None:
    """Its guides' dumps are not its cost, but for those that an assistant read."""
    cost = {"epochs": 1, "steps": 1, "trained_samples": 5, "guide_rows": 0, "dump_forwards": 11, "live_forwards": 10}
    student = {"cost": cost, "guide_runs": ["t", "a"], "store_bytes": {"t-1": 100, "a-1": 100}}
    of_guide = {**{key: value for key, value in cost.items() if key != "live_forwards"}, "guide_rows": 5}
    assistant = {"run": "a", "cost": of_guide, "guide_runs": ["t"], "store_bytes": {"t-1": 100}}
    found = total_cost([student], [assistant, {"run": "t", "cost": {**of_guide, "guide_rows": 0}, "guide_runs": []}])
    assert (found["live_forwards"], found["guide_forwards"], found["guide_forwards_saved"]) == (10, 11, 5 - 11)
    assert found["cache_bytes"] == 100


def test_forwards_saved_are_those_that_live_guides_make(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same chain is trained under live guides, whose forward passes are counted, and the dumps' are subtracted."""
    study = set_up_study(ws, methods=["dgkd+drop"], seeds=[3])
    results = run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    forwarded = []
    begin = LiveGuides.begin

    def counting(guides: LiveGuides, views_B, samples_B, keep_G):
        forwarded.append(len(samples_B) * int(keep_G.sum()))
        return begin(guides, views_B, samples_B, keep_G)

    monkeypatch.setattr(LiveGuides, "begin", counting)
    for run in [one for one in study.plan.work if isinstance(one, StudyRun) and one.guides]:
        live = [run.workspace.run_folder(store.run.name) for store in run.guides]
        request = {"architecture": run.architecture, "training": run.training, "distillation": run.distillation}
        before = sum(forwarded)
        train(run.workspace, f"live-{run.model}", live=live, **request)
        assert sum(forwarded) - before == json.loads(record_path(run).read_text())["cost"]["guide_rows"] > 0
    dumped = 0
    for store in (one for one in study.plan.work if isinstance(one, StudyStore)):
        dumped += json.loads(record_path(store.run).read_text())["cost"]["dump_forwards"]
    cost = results["variants"]["dgkd+drop"]["cost"]
    assert cost["guide_forwards_saved"] == sum(forwarded) - dumped
    assert cost["cache_bytes"] == sum(
        file.stat().st_size for file in study.folder.glob("guides/**/*") if file.is_file()
    )


def test_guides_are_counted_once() -> None:
    guide_runs = {"s": ["a"], "z": ["t", "a", "made again"], "a": ["t"], "t": [], "scratch": []}
    assert guides_of_runs(["scratch"], guide_runs) == []
    assert guides_of_runs(["s", "z"], guide_runs) == ["a", "t"], "the assistant's own guide is one of them"
