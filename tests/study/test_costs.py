"""Costs against counting the batches of a run as it was trained."""

from __future__ import annotations

import numpy as np
import pytest

from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.progress import Silent
from dgkd_cache.study.costs import timings_of, total_cost
from dgkd_cache.study.records import read_record
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

    timings = timings_of(study.plan)
    assert timings.keys() == {path.name for path in (study.folder / "runs").iterdir()}
    assert all(
        one["samples_per_second"] == pytest.approx(192 / one["seconds"], rel=0.01)
        for one in timings.values()
        if one["seconds"] > 0.01
    )


def test_totals() -> None:
    cost = {"epochs": 2, "steps": 3, "trained_samples": 5, "guide_rows": 7, "dump_forwards": 11}
    found = total_cost([cost, cost], [cost])
    assert found["guides_guide_rows"] == 7 and found["guide_rows"] == 14 and found["guide_forwards"] == 11
    assert np.sum([*found.values()]) == 2 * (2 + 3 + 5 + 7) + (2 + 3 + 5 + 7) + 11
