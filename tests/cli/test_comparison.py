"""The tables of a comparison at 80 and 120 columns, and what is not known yet."""

from __future__ import annotations

from typing import Any

import pytest

from dgkd_cache.study.results import make_results
from dgkd_cli.comparison import notes, tables

NAMES = ["scratch", "kd", "takd", "dgkd", "dgkd+drop", "dgkd, lambda 0.9"]


def record(run: str, top1: float, guides: list[str]) -> dict[str, Any]:
    cost = {
        **{"epochs": 30, "steps": 11_730, "trained_samples": 1_500_000, "guide_rows": 1_500_000 * len(guides)},
        "dump_forwards": 2_060_000,
    }
    return {
        **{"run": run, "compute": {}, "guide_runs": guides, "cost": cost, "store_bytes": dict.fromkeys(guides, 2**25)},
        "test": {"top1": top1, "top5": top1, "nll": 1 - top1, "ece": 0.1},
        "epochs": [{"epoch": 0, "validation_accuracy": 0.5, "test_accuracy": 0.5}],
    }


def results(**settings: Any) -> Any:
    runs = {
        (name, seed): record(f"{name} {seed}", 0.7 + 0.01 * seed * place, ["t", "a"] if place else [])
        for place, name in enumerate(NAMES)
        for seed in range(5)
        if (name, seed) != ("takd", 3)
    }
    others = [record("t", 0.9, []), record("a", 0.8, ["t"])]
    variants = {name: {} for name in [*NAMES, "begun"]}
    return make_results(
        variants, runs, **{"seeds": range(5), "reference": "kd", "guides": "shared", "others": others, **settings}
    )


@pytest.mark.parametrize("width", [80, 120])
def test_they_fit_and_lose_no_verdict(width: int) -> None:
    found = results(protocol="paper")
    timings = {run: {"seconds": 4_000.0, "samples_per_second": 375.0} for run in found["runs"]}
    variants, comparisons, costs = tables(found, timings, width)
    assert all(len(line) <= width for text in (variants, comparisons, costs) for line in text.splitlines())
    assert "best on test (optimistic)" in variants and "best by validation" in variants
    assert "inconclusive" in comparisons and "95 % interval" in comparisons
    rows = {line.split("  ")[0]: line for line in costs.splitlines()}
    # kd: 5 students of 30 epochs and 2 guides of 30, each of 4,000 s; 2 x 2.06 M forwards, 5 x 2 + 1 times 1.5 M rows
    expected = ["150", "60", "5 h 33 min", "4,120,000"] + ["2 h 13 min", "375", "12,380,000", "67.1 MB"] * (
        width == 120
    )
    assert [text for text in expected if text not in rows["kd"]] == []


def test_what_is_not_known_is_a_dash() -> None:
    variants, comparisons, costs = tables(results(), {}, 120)
    assert variants.splitlines()[7].split() == ["begun", "0", *"----"]
    assert comparisons.splitlines()[6].split() == ["begun", "kd", *"---", "incomplete"]
    assert costs.splitlines()[2].split()[1:4] == ["150", "-", "-"]
    said = [*notes(results(failed=[{"run": "x", "what": "run", "model": "ta1", "seed": 3, "variants": ["takd"]}]))]
    assert "takd: 4 of 5 runs are finished." in said and "begun: 0 of 5 runs are finished." in said
    assert "Not made: the run x (ta1 of takd, seed 3)." in said
    assert not any("optimistic" in line for line in said)


def test_one_variant_has_no_comparisons() -> None:
    found = make_results({"a": {}}, {("a", 0): record("r", 0.5, [])}, seeds=[0], reference="a", guides="shared")
    assert len([*tables(found, {}, 80)]) == 2
    assert not any("intervals" in line or "these guides" in line for line in notes(found))
