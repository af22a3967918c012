"""A study made again: the table of dgkd.toml is TOML that says the same, and all seals and weights are told."""

from __future__ import annotations

import tomllib

from support.study_results import HOSTILE, made_results, sweep

from dgkd_cache.report.provenance import (
    compare_table,
    data_table,
    machines_table,
    models_table,
    seals_table,
    settings_tables,
)
from dgkd_cache.report.results_file import Results


def test_the_table_of_the_file_is_that_of_the_study(results: Results) -> None:
    table = tomllib.loads(compare_table(results))["compare"]
    assert table["variants"] == sweep()
    assert (table["reference"], table["seeds"], table["guides"]) == ("scratch", [0, 1, 2, 3, 4], "shared")


def test_hostile_names_are_quoted() -> None:
    variants = {name: {"method": "kd", "lambda": index / 10} for index, name in enumerate(HOSTILE)}
    table = tomllib.loads(compare_table(Results.model_validate(made_results(variants, seeds=[1]))))["compare"]
    assert table["variants"] == variants


def test_named_comparisons_are_in_the_table() -> None:
    pairs = [("dgkd", "kd"), ("dgkd+drop", "dgkd")]
    results = Results.model_validate(made_results(pairs=pairs))
    assert tomllib.loads(compare_table(results))["compare"]["comparisons"] == [list(pair) for pair in pairs]


def test_settings_are_shared_or_differ(results: Results) -> None:
    shared, different = settings_tables(results)
    assert ("keep", "0.75") in {(cells[0].text, cells[1].text) for cells in shared.rows}
    rows = {cells[0].text: [cell.text for cell in cells[1:]] for cells in different.rows}
    assert rows.keys() == {"dropping", "lambda", "temperature"}
    assert rows["lambda"][different.head.index("kd, lambda 0.9") - 1] == "0.9"


def test_all_seals_and_weights_are_told(results: Results, content) -> None:
    seals = {cells[0].text: cells[2].text for cells in seals_table(results).rows}
    assert seals == {store: seal for run in content["runs"].values() for store, seal in run["guides"].items()}
    assert [cells[1].text for cells in seals_table(results).rows] == ["ta1", "teacher"]
    models = {cells[0].text: cells[-1].text for cells in models_table(results).rows}
    assert models == {name: run["weights"] for name, run in content["runs"].items()}
    data = {cells[0].text: cells[1].text for cells in data_table(results).rows}
    assert data == {"name": "digits", "digest": "d" * 64}
    named = Results.model_validate(made_results(seeds=[0], names=["ant", "bee"]))
    assert data_table(named).rows[-1][1].text == "ant, bee"
    assert ["torch", "2.13.0"] in [[cell.text for cell in cells] for cells in machines_table(results).rows]
