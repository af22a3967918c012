"""Results as they are read: whole ones, older ones, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.study_results import DRAWN, PRUNED, made_results

from dgkd_cache.errors import Damaged, InvalidInput
from dgkd_cache.report.page import make_page
from dgkd_cache.report.results_file import Results, as_results, read_results


def test_the_order_is_that_of_the_study(content) -> None:
    results = Results.model_validate(content)
    assert [*content["variants"]] == sorted(content["variants"]), "a file has its keys in order"
    assert results.order[:5] == ["scratch", "kd", "takd", "dgkd", "dgkd+drop"]
    assert results.planned == [0, 1, 2, 3, 4] and [*results.students("kd")] == [0, 1, 2, 3, 4]


def test_a_variant_without_a_run_is_not_shown() -> None:
    results = Results.model_validate(made_results(missing=[("kd", seed) for seed in range(5)]))
    assert "kd" in results.order and "kd" not in results.shown


def test_results_that_are_older_than_a_key(content) -> None:
    older = json.loads(json.dumps(content))
    for key in ("seeds", "failed", "protocol", "classes", "dataset"):
        older.pop(key, None)
    for run in older["runs"].values():
        run.pop("store_bytes", None)
    results = Results.model_validate(older)
    assert (results.planned, results.failed, results.classes) == ([0, 1, 2, 3, 4], (), ())


def test_stores_are_known_by_the_names_of_their_runs() -> None:
    """Names are as the plan makes them: a run's name without its end and a digest, in files in the order of letters."""
    runs = ("plain6-0123456789ab", "plain4-0123456789ab", "module-" + "x" * 44 + "-0123456789ab")
    stores = [f"{run[:51]}-ba9876543210" for run in runs]
    run = Results.model_validate(made_results(seeds=[0])).runs["t"]
    found = run.model_copy(update={"guide_runs": runs, "guides": dict.fromkeys(sorted(stores), "")})
    assert found.guide_of == dict(zip(stores, runs, strict=True))
    twice = (runs[2], runs[2][:51] + "-ffffffffffff")
    assert found.model_copy(update={"guide_runs": twice}).guide_of == {}


def test_a_guide_that_is_made_again_has_no_record_for_a_while() -> None:
    content = made_results()
    del content["runs"]["a"]
    results = Results.model_validate(content)
    assert (results.name_of("a"), results.name_of("t")) == ("a", "teacher")
    text = make_page(results, {}, verdict="", title="", command="", version="")
    assert "dgkd ← a" in text and "dgkd ← teacher" in text


def spoiled(change: str, content: dict[str, Any]) -> dict[str, Any]:
    copy = json.loads(json.dumps(content))
    first = next(iter(copy["runs"]))
    if change == "run":
        del copy["runs"][copy["variants"]["kd"]["runs"]["0"]]
    elif change == "variant":
        copy["comparisons"][0]["variant"] = "nobody"
    elif change == "reference":
        copy["reference"] = "nobody"
    elif change == "type":
        copy["runs"][first]["test"]["top1"] = "high"
    elif change == "seed":
        copy["variants"]["kd"]["runs"]["one"] = first
    else:
        copy["format"] = "another"
    return copy


@pytest.mark.parametrize("change", ["run", "variant", "reference", "type", "seed", "format"])
def test_what_is_no_result_is_refused(content, change: str) -> None:
    with pytest.raises(Damaged, match="not the results of a comparison") as caught:
        as_results(spoiled(change, content), Path("results.json"))
    assert "dgkd-cache compare" in str(caught.value)


def test_files(tmp_path: Path, content) -> None:
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert read_results(tmp_path / "results.json") == content
    with pytest.raises(InvalidInput, match="there is no"):
        read_results(tmp_path / "other.json")
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(Damaged):
        read_results(tmp_path / "other.json")


def test_pruning_and_draws_are_those_of_the_record() -> None:
    pruned = Results.model_validate(made_results(PRUNED, seeds=[0]))
    (run,) = pruned.students("two guides, 0.9").values()
    assert run.pruning is not None and run.source_run == pruned.variants["small net"].runs[0]
    assert (run.pruning.sparsity, run.pruning.criterion) == (0.9, "guided")
    assert (run.pruning.weights_kept, run.pruning.weights_of) == (300, 3000)
    assert all(run.pruning is None and not run.source_run for run in pruned.students("small net").values())
    drawn = Results.model_validate(made_results(DRAWN, seeds=[0]))
    counts = {name: [run.draws for run in drawn.students(name).values()] for name in DRAWN}
    assert counts == {name: [{"t": one["draws"]} if "draws" in one else {}] for name, one in DRAWN.items()}


@pytest.mark.parametrize("wrong", [1.0, -0.1, "half", None, True])
def test_a_sparsity_outside_of_its_range_is_no_result(wrong: object) -> None:
    content = made_results(PRUNED, seeds=[0])
    run = content["variants"]["magnitude, 0.5"]["runs"]["0"]
    content["runs"][run]["training"]["pruning"]["sparsity"] = wrong
    with pytest.raises(Damaged, match="pruning.sparsity"):
        as_results(content, Path("results.json"))
