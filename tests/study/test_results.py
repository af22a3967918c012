"""Results: the numbers of the records, and the same bytes from the same records in any order."""

from __future__ import annotations

import json
import random
import statistics

import pytest
from scipy import stats

from dgkd_cache.study.results import make_results

VARIANTS = {"scratch": {"method": "scratch"}, "kd": {"method": "kd"}}
TOP1 = {"scratch": [0.62, 0.64, 0.63, 0.65, 0.61], "kd": [0.66, 0.665, 0.66, 0.69, 0.65]}


def record(run: str, top1: float, machine: str = "a", *, held_out: bool = False) -> dict[str, object]:
    test = {"top1": top1, "top5": None, "nll": 1 - top1, "ece": 0.1}
    guides = {"kd": ["t"], "t": ["g"]}.get(run.partition("-")[0], [])
    cost = {"epochs": 2, "steps": 6, "trained_samples": 200, "guide_rows": 200 * len(guides), "dump_forwards": 1000}
    epochs = [
        {"validation_accuracy": top1 - 0.1, "test_accuracy": top1 - 0.2},
        {"validation_accuracy": top1 - 0.3, "test_accuracy": top1},
    ]
    return {
        **{"run": run, "test": test, "compute": {"device": machine}, "guide_runs": guides, "cost": cost},
        "epochs": epochs if held_out else [{"test_accuracy": top1}],
    }


RUNS = {
    (name, seed): record(f"{name}-{seed}", top1) for name, values in TOP1.items() for seed, top1 in enumerate(values)
}


GUIDES = [record("t", 0.9, "b"), record("g", 0.9, "b")]
"""The guide of kd, and the guide of that."""


def test_costs_count_each_guide_once() -> None:
    found = make_results(VARIANTS, RUNS, reference="scratch", guides="shared", others=GUIDES)["variants"]
    assert found["scratch"]["cost"] == {
        **{"epochs": 10, "steps": 30, "trained_samples": 1000, "guide_rows": 0},
        **{"guides_epochs": 0, "guides_steps": 0, "guides_trained_samples": 0, "guides_guide_rows": 0},
        **{"guide_forwards": 0, "live_forwards": 0},
    }
    assert found["kd"]["cost"] == {
        **{"epochs": 10, "steps": 30, "trained_samples": 1000, "guide_rows": 1000},
        **{"guides_epochs": 4, "guides_steps": 12, "guides_trained_samples": 400, "guides_guide_rows": 200},
        **{"guide_forwards": 2000, "live_forwards": 0},
    }


def test_the_best_epoch_by_validation_is_beside_the_last_one() -> None:
    runs = {key: record(one["run"], one["test"]["top1"], held_out=True) for key, one in RUNS.items()}
    found = make_results(VARIANTS, runs, reference="scratch", guides="shared", others=GUIDES)["variants"]["kd"]
    assert found["best_by_validation"]["mean"] == pytest.approx(statistics.mean(TOP1["kd"]) - 0.2)
    assert found["test"]["top1"]["mean"] == pytest.approx(statistics.mean(TOP1["kd"]))
    without = make_results(VARIANTS, RUNS, reference="scratch", guides="shared", others=GUIDES)["variants"]["kd"]
    assert without["best_by_validation"] is None


def test_summaries_and_comparisons() -> None:
    found = make_results(VARIANTS, RUNS, reference="scratch", guides="shared", others=GUIDES)
    for name, values in TOP1.items():
        summary = found["variants"][name]["test"]["top1"]
        assert (summary["n"], summary["mean"]) == (5, pytest.approx(statistics.mean(values)))
        assert summary["deviation"] == pytest.approx(statistics.stdev(values))
        assert found["variants"][name]["runs"] == {str(seed): f"{name}-{seed}" for seed in range(5)}
        assert found["variants"][name]["changes"] == VARIANTS[name]
        assert "top5" not in found["variants"][name]["test"], "there are too few classes for it"
    (one,) = found["comparisons"]
    assert (one["variant"], one["reference"], one["verdict"], one["exploratory"]) == ("kd", "scratch", "higher", False)
    assert one["p"] == pytest.approx(stats.ttest_rel(TOP1["kd"], TOP1["scratch"]).pvalue)
    assert found["compute"] == [{"device": "a"}, {"device": "b"}], "all machines are listed"
    assert found["runs"].keys() == {"t", "g", *(f"{name}-{seed}" for name in TOP1 for seed in range(5))}


def test_the_order_of_the_records_changes_no_byte() -> None:
    shuffled = [*RUNS.items()]
    random.Random(1).shuffle(shuffled)
    first, second = (
        json.dumps(make_results(VARIANTS, dict(runs), reference="scratch", guides="shared", others=GUIDES))
        for runs in (RUNS.items(), shuffled)
    )
    assert first == second and json.loads(first)["version"] == 1
