"""CSV: read by the standard library's reader, it has the numbers of the results, to the last digit."""

from __future__ import annotations

import csv
import io

import pytest
from support.study_results import DRAWN, HOSTILE, PRUNED, made_results, made_timings

from dgkd_cache.report.csv_text import comparisons_csv, runs_csv, variants_csv
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


def test_all_comparisons_are_there_those_of_named_pairs_too() -> None:
    pairs = [("kd", "scratch"), ("dgkd", "takd"), ("dgkd+drop", "dgkd")]
    content = made_results(pairs=pairs, missing=[("dgkd+drop", 2)])
    rows = read(comparisons_csv(Results.model_validate(content)))
    assert [(row["variant"], row["reference"]) for row in rows] == pairs
    for row, one in zip(rows, content["comparisons"], strict=True):
        for key in ("mean", "low", "high", "p", "adjusted_p", "detectable"):
            assert row[f"difference_{key}"] == ("" if one[key] is None else repr(one[key]))
        assert (row["verdict"], int(row["n"])) == (one["verdict"], len(one["seeds"]))
        assert row["exploratory"] == ("true" if len(one["seeds"]) < 5 else "false")
        for seed in range(5):
            mine, theirs = (content["variants"][row[key]]["runs"].get(str(seed)) for key in ("variant", "reference"))
            told = row[f"difference_seed_{seed}"]
            if mine is None:
                assert told == "" and row["verdict"] == "incomplete"
            else:
                top1 = [content["runs"][run]["test"]["top1"] for run in (mine, theirs)]
                assert float(told) == one["differences"][one["seeds"].index(seed)]
                assert float(told) == pytest.approx(top1[0] - top1[1], abs=1e-11), "results are rounded"


def test_no_comparison_leaves_the_head_alone() -> None:
    alone = Results.model_validate(made_results({"alone": {"method": "scratch"}}))
    assert comparisons_csv(alone).startswith("variant,reference,n,") and not read(comparisons_csv(alone))


def test_hostile_names_are_one_field() -> None:
    variants = {name: {"method": "kd", "lambda": index / 10} for index, name in enumerate(HOSTILE)}
    results = Results.model_validate(made_results(variants, seeds=[0]))
    assert [row["variant"] for row in read(variants_csv(results))] == [*HOSTILE]


def test_pruning_and_draws_have_columns_where_they_are() -> None:
    content = made_results(PRUNED, seeds=[0, 1])
    results = Results.model_validate(content)
    for row in read(runs_csv(results, {})):
        changes = PRUNED[row["variant"]]
        source = content["variants"]["small net"]["runs"][row["seed"]] if "prunes" in changes else ""
        assert [row[key] for key in ("sparsity", "criterion")] == [
            str(changes.get(key, "")) for key in ("sparsity", "criterion")
        ]
        assert row["pruned_from"] == source and "draws" not in row
    for row in read(variants_csv(results)):
        changes = PRUNED[row["variant"]]
        assert (row["sparsity"], row["pruned_from"]) == (str(changes.get("sparsity", "")), changes.get("prunes", ""))
    drawn = Results.model_validate(made_results(DRAWN, seeds=[0, 1]))
    for text in (runs_csv(drawn, {}), variants_csv(drawn)):
        assert [row["draws"] for row in read(text)] == [
            str(DRAWN[row["variant"]].get("draws", "")) for row in read(text)
        ]
        assert "sparsity" not in text


def test_other_studies_have_no_such_columns(results: Results) -> None:
    heads = [text.splitlines()[0].split(",") for text in (runs_csv(results, {}), variants_csv(results))]
    assert heads[0][-1] == "weights" and heads[1][-1].startswith("cost_")
    assert not {"draws", "sparsity"} & {*heads[0], *heads[1]}
