"""Results: the numbers of the records, and the same bytes from the same records in any order."""

from __future__ import annotations

import json
import random
import statistics

import pytest
from scipy import stats

from dgkd_cache.study.results import make_results, results_text

VARIANTS = {"scratch": {"method": "scratch"}, "kd": {"method": "kd"}}
TOP1 = {"scratch": [0.62, 0.64, 0.63, 0.65, 0.61], "kd": [0.66, 0.665, 0.66, 0.69, 0.65]}


def record(run: str, top1: float, machine: str = "a") -> dict[str, object]:
    test = {"top1": top1, "top5": None, "nll": 1 - top1, "ece": 0.1}
    return {"run": run, "test": test, "compute": {"device": machine}}


RUNS = {
    (name, seed): record(f"{name}-{seed}", top1) for name, values in TOP1.items() for seed, top1 in enumerate(values)
}


def test_summaries_and_comparisons() -> None:
    found = make_results(VARIANTS, RUNS, reference="scratch", guides="shared", others=[record("t", 0.9, "b")])
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
    assert found["runs"].keys() == {"t", *(f"{name}-{seed}" for name in TOP1 for seed in range(5))}


def test_the_order_of_the_records_changes_no_byte() -> None:
    shuffled = [*RUNS.items()]
    random.Random(1).shuffle(shuffled)
    first, second = (
        results_text(make_results(VARIANTS, dict(runs), reference="scratch", guides="shared"))
        for runs in (RUNS.items(), shuffled)
    )
    assert first == second and json.loads(first)["version"] == 1
