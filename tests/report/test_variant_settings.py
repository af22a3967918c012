"""Settings of variants: what a variant has from another one, and what the records of its runs say."""

from __future__ import annotations

from support.study_results import DRAWN, METHODS, PRUNED, made_results

from dgkd_cache.report.results_file import Results
from dgkd_cache.report.variant_settings import (
    draws_of,
    is_number,
    settings_of,
    source_of,
    sparsity_of,
    value_in_runs,
    value_text,
)


def results_of(variants: dict[str, dict[str, object]]) -> Results:
    return Results.model_validate(made_results(variants, seeds=[0, 1]))


def test_a_variant_that_others_take_their_guides_from_is_told_with_them_and_alone() -> None:
    results = results_of({**METHODS, "strong": {"guides_from": "dgkd", "lambda": 0.9}})
    of_student = {"control": "none", "live": False}
    found = [(name, dict(settings)) for name, settings in settings_of(results)]
    dgkd = {"method": "dgkd", "dropping": "none", **of_student}
    assert [settings for name, settings in found if name == "dgkd"] == [dgkd, {**dgkd, "guides_from": "dgkd"}]
    assert [settings for name, settings in found if name == "strong"] == [
        {**dgkd, "guides_from": "dgkd", "lambda": 0.9}
    ]
    assert [settings for name, settings in found if name == "kd"] == [{**METHODS["kd"], **of_student}]


def test_sparsity_source_and_draws_are_those_of_the_records() -> None:
    pruned, drawn = results_of(PRUNED), results_of(DRAWN)
    for name, changes in PRUNED.items():
        assert sparsity_of(pruned, name) == changes.get("sparsity")
        assert source_of(pruned, name) == changes.get("prunes")
        assert value_in_runs(pruned, name, "criterion") == changes.get("criterion")
        assert value_in_runs(pruned, name, "pruning.steps") == (100 if "prunes" in changes else None)
    for name, changes in DRAWN.items():
        assert draws_of(drawn, name) == (None if name == "scratch" else changes.get("draws", 0))
    assert value_in_runs(drawn, "student, 4", "percentile") == 90
    assert value_in_runs(drawn, "kd", "seed") is None, "the runs have several"


def test_a_source_without_a_finished_run_is_not_known() -> None:
    content = made_results(PRUNED, seeds=[0, 1])
    content["variants"]["small net"] |= {"runs": {}, "test": {}}
    assert source_of(Results.model_validate(content), "magnitude, 0.5") is None


def test_numbers_and_texts() -> None:
    assert [is_number(value) for value in (1, 0.5, True, "1", None)] == [True, True, False, False, False]
    assert [value_text(value) for value in ("mean", True, 0.5, [1, 2])] == ["mean", "true", "0.5", "[1, 2]"]
