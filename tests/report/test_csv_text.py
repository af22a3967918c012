"""CSV: read by the standard library's reader, it has the numbers of the results, to the last digit."""

from __future__ import annotations

import csv
import io

from support.study_results import HOSTILE, made_results, made_timings

from dgkd_cache.report.csv_text import runs_csv, variants_csv
from dgkd_cache.report.results_file import Results


def read(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(text, newline=""))]


def test_runs(results: Results, content) -> None:
    times = made_timings(content)
    rows = read(runs_csv(results, times))
    assert len(rows) == 60
    for row in rows:
        run = content["runs"][content["variants"][row["variant"]]["runs"][row["seed"]]]
        assert row["run"] == run["run"]
        for measure in ("top1", "top5", "nll", "ece"):
            assert float(row[measure]) == run["test"][measure]
        assert float(row["seconds"]) == times[row["run"]]["seconds"]
    assert read(runs_csv(results, {}))[0]["seconds"] == ""


def test_variants(results: Results, content) -> None:
    rows = {row["variant"]: row for row in read(variants_csv(results))}
    assert [*rows][0] == "scratch" and rows.keys() == content["variants"].keys()
    for one in content["comparisons"]:
        row = rows[one["variant"]]
        for key in ("mean", "low", "high", "p", "adjusted_p", "detectable"):
            assert float(row[f"difference_{key}"]) == one[key]
        assert row["verdict"] == one["verdict"]
    for name, one in content["variants"].items():
        assert float(rows[name]["top1_mean"]) == one["test"]["top1"]["mean"]
        assert int(rows[name]["cost_guides_epochs"]) == one["cost"]["guides_epochs"]


def test_hostile_names_are_one_field() -> None:
    variants = {name: {"method": "kd", "lambda": index / 10} for index, name in enumerate(HOSTILE)}
    results = Results.model_validate(made_results(variants, seeds=[0]))
    assert [row["variant"] for row in read(variants_csv(results))] == [*HOSTILE]
