"""A study made again: the table of dgkd.toml is TOML that says the same, and all seals and weights are told."""

from __future__ import annotations

import tomllib

from support.study_results import DRAWN, HOSTILE, PRUNED, made_results, sweep

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


def test_sparsity_source_and_draws_of_models() -> None:
    content = made_results(PRUNED, seeds=[0, 1])
    results = Results.model_validate(content)
    table = models_table(results)
    rows = {cells[0].text: dict(zip(table.head, (cell.text for cell in cells), strict=True)) for cells in table.rows}
    for name, changes in PRUNED.items():
        for seed, run in content["variants"][name]["runs"].items():
            source = content["variants"]["small net"]["runs"][seed] if "prunes" in changes else "–"
            share = {0.5: "50 %", 0.8: "80 %", 0.9: "90 %", 0.95: "95 %"}.get(changes.get("sparsity"), "–")
            assert (rows[run]["sparsity"], rows[run]["pruned from"]) == (share, source)
    assert "draws" not in table.head
    _, different = settings_tables(results)
    found = {cells[0].text: [cell.text for cell in cells[1:]] for cells in different.rows}
    place = different.head.index("gradient, 0.8") - 1
    assert {key: values[place] for key, values in found.items()} == {
        **{"criterion": '"gradient"', "sparsity": "0.8", "lr": "0.01", "pruning.steps": "100"},
        **{"pruning.batch_size": "128", "pruning.weights_kept": "600", "pruning.weights_of": "3000"},
    }, "neither the layers nor the source of each seed"


def test_draws_of_stores_and_models() -> None:
    content = made_results(DRAWN, seeds=[0])
    results = Results.model_validate(content)
    table = models_table(results)
    draws = {cells[0].text: cells[table.head.index("draws")].text for cells in table.rows}
    for name, changes in DRAWN.items():
        told = f"{changes['draws']} of teacher" if "draws" in changes else "–"
        assert [draws[run] for run in content["variants"][name]["runs"].values()] == [told]
    assert "sparsity" not in table.head
    stores = {cells[0].text: cells[1].text for cells in seals_table(results).rows}
    assert stores == {"t-store": "teacher"} | {f"t-draw{draw:02}": f"teacher, draw {draw}" for draw in range(16)}
    _, different = settings_tables(results)
    (values,) = ([cell.text for cell in cells[1:]] for cells in different.rows if cells[0].text == "draws")
    assert values == ["–", "0", "1", "4", "16", "1", "4", "16"]


def test_other_studies_have_no_such_columns(results: Results) -> None:
    assert models_table(results).head[4:] == ("seed", "test accuracy", "weights (SHA-256)")
    assert not {"draws", "sparsity"} & {cells[0].text for table in settings_tables(results) for cells in table.rows}
