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
        "store_bytes": {f"{guide}-store": {"t": 50, "g": 20}[guide] for guide in guides},
        "epochs": epochs if held_out else [{"test_accuracy": top1}],
    }


RUNS = {
    (name, seed): record(f"{name}-{seed}", top1) for name, values in TOP1.items() for seed, top1 in enumerate(values)
}


GUIDES = [record("t", 0.9, "b"), record("g", 0.9, "b")]
"""The guide of kd, and the guide of that."""

SETTINGS = {"seeds": range(5), "reference": "scratch", "guides": "shared", "others": GUIDES}


def test_costs_count_each_guide_once() -> None:
    found = make_results(VARIANTS, RUNS, **SETTINGS)["variants"]
    assert found["scratch"]["cost"] == {
        **{"epochs": 10, "steps": 30, "trained_samples": 1000, "guide_rows": 0},
        **{"guides_epochs": 0, "guides_steps": 0, "guides_trained_samples": 0, "guides_guide_rows": 0},
        **{"guide_forwards": 0, "live_forwards": 0, "guide_forwards_saved": 0, "cache_bytes": 0},
    }
    assert found["kd"]["cost"] == {
        **{"epochs": 10, "steps": 30, "trained_samples": 1000, "guide_rows": 1000},
        **{"guides_epochs": 4, "guides_steps": 12, "guides_trained_samples": 400, "guides_guide_rows": 200},
        **{"guide_forwards": 2000, "live_forwards": 0, "guide_forwards_saved": 1000 + 200 - 2000, "cache_bytes": 70},
    }


def test_the_best_epoch_by_validation_is_beside_the_last_one() -> None:
    runs = {key: record(one["run"], one["test"]["top1"], held_out=True) for key, one in RUNS.items()}
    found = make_results(VARIANTS, runs, **SETTINGS)["variants"]["kd"]
    assert found["best_by_validation"]["mean"] == pytest.approx(statistics.mean(TOP1["kd"]) - 0.2)
    assert found["test"]["top1"]["mean"] == pytest.approx(statistics.mean(TOP1["kd"]))
    without = make_results(VARIANTS, RUNS, **SETTINGS)["variants"]["kd"]
    assert without["best_by_validation"] is None


def test_summaries_and_comparisons() -> None:
    found = make_results(VARIANTS, RUNS, **SETTINGS)
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
    assert found["verdict"].startswith(
        "Guidance from these guides helps the student: kd is 3.50 points of accuracy above"
    )
    assert found["compute"] == [{"device": "a"}, {"device": "b"}], "all machines are listed"
    assert found["runs"].keys() == {"t", "g", *(f"{name}-{seed}" for name in TOP1 for seed in range(5))}


def test_what_others_published_stands_beside_a_variant() -> None:
    told = {"kd": {"accuracy": 66.0, "source": "a paper, Table 1"}}
    found = make_results(
        VARIANTS, RUNS, seeds=range(5), reference="scratch", guides="shared", others=GUIDES, published=told
    )
    assert found["variants"]["kd"]["published"] == told["kd"] and "published" not in found["variants"]["scratch"]


def test_the_order_of_the_records_changes_no_byte() -> None:
    shuffled = [*RUNS.items()]
    random.Random(1).shuffle(shuffled)
    first, second = (json.dumps(make_results(VARIANTS, dict(runs), **SETTINGS)) for runs in (RUNS.items(), shuffled))
    assert first == second and json.loads(first)["version"] == 1


def test_the_comparisons_that_are_named() -> None:
    """p is adjusted over those that are made, and over no other."""
    pairs = [("kd", "scratch"), ("scratch", "kd")]
    found = make_results(VARIANTS, RUNS, pairs=pairs, **SETTINGS)["comparisons"]
    assert [(one["variant"], one["reference"]) for one in found] == pairs
    p = stats.ttest_rel(TOP1["kd"], TOP1["scratch"]).pvalue
    assert [one["adjusted_p"] for one in found] == [pytest.approx(2 * p)] * 2
    assert [one["verdict"] for one in found] == ["higher", "lower"]


def test_the_best_epoch_on_test_is_there_for_the_protocol_of_papers_alone() -> None:
    runs = {key: record(one["run"], one["test"]["top1"], held_out=True) for key, one in RUNS.items()}
    for (_, seed), one in runs.items():
        one["epochs"][0]["test_accuracy"] = one["test"]["top1"] + 0.01 * seed
    papers, usual = (make_results(VARIANTS, runs, **SETTINGS, protocol=one) for one in ("paper", "last"))
    best = papers["variants"]["kd"]["best_on_test"]
    assert best["mean"] == pytest.approx(statistics.mean(TOP1["kd"]) + 0.02) and best["optimistic"] is True
    assert papers["comparisons"] == usual["comparisons"], "it chooses no result"
    assert "best_on_test" not in json.dumps(usual) and (usual["protocol"], papers["protocol"]) == ("last", "paper")


def test_without_all_runs_there_is_no_verdict() -> None:
    """kd lacks a seed: its figures are those of four, and it has no p that is adjusted."""
    variants = {**VARIANTS, "kd 2": {"method": "kd"}, "none": {}}
    runs = {**RUNS, **{("kd 2", seed): RUNS["kd", seed] for seed in range(4)}}
    failed = [{"run": "kd-4", "what": "run"}]
    found = make_results(variants, runs, failed=failed, **SETTINGS)
    kd, lacking, none = found["comparisons"]
    assert (lacking["verdict"], lacking["seeds"], lacking["adjusted_p"]) == ("incomplete", (0, 1, 2, 3), None)
    assert lacking["p"] == pytest.approx(stats.ttest_rel(TOP1["kd"][:4], TOP1["scratch"][:4]).pvalue)
    assert (none["verdict"], none["seeds"], none["mean"], none["low"]) == ("incomplete", (), None, None)
    p = stats.ttest_rel(TOP1["kd"], TOP1["scratch"]).pvalue
    assert kd["adjusted_p"] == pytest.approx(3 * p), "the missing ones count"
    assert found["variants"]["kd 2"]["test"]["top1"]["n"] == 4 and found["variants"]["none"]["test"] == {}
    assert found["failed"] == failed and json.loads(json.dumps(found))["seeds"] == [0, 1, 2, 3, 4]


def test_a_record_from_before_it_had_the_bytes_of_its_stores() -> None:
    runs = {key: {name: value for name, value in one.items() if name != "store_bytes"} for key, one in RUNS.items()}
    found = make_results(VARIANTS, runs, **SETTINGS)
    assert {name: one["cost"]["cache_bytes"] for name, one in found["variants"].items()} == {"scratch": 0, "kd": None}


def test_a_guide_whose_record_is_made_again_is_not_counted() -> None:
    found = make_results(VARIANTS, RUNS, **{**SETTINGS, "others": GUIDES[:1]})
    assert found["variants"]["kd"]["cost"]["guides_epochs"] == 2
