"""Groups: which variants a line joins, found by a comparison of each two of them."""

from __future__ import annotations

import itertools

import pytest
from support.study_results import DRAWN, METHODS, PRUNED, made_results

from dgkd_cache.report.groups import Group, groups_by_draws, groups_by_sparsity
from dgkd_cache.report.results_file import Results


def results_of(variants: dict[str, dict[str, object]]) -> Results:
    return Results.model_validate(made_results(variants, seeds=[0, 1]))


def names(groups: list[Group]) -> list[list[str]]:
    return [[name for name, _ in group.members] for group in groups]


@pytest.mark.parametrize(
    ("variants", "key", "find"),
    [(PRUNED, "sparsity", groups_by_sparsity), (DRAWN, "draws", groups_by_draws)],
    ids=["sparsity", "draws"],
)
def test_two_variants_share_a_line_exactly_if_they_differ_in_the_key_alone(variants, key: str, find) -> None:
    groups = find(results_of(variants))
    line_of = {name: index for index, group in enumerate(groups) for name, _ in group.members}
    assert sum(len(group.members) for group in groups) == len(line_of), "no variant is in two lines"
    for one, other in itertools.combinations(line_of, 2):
        rest = [{name: value for name, value in variants[each].items() if name != key} for each in (one, other)]
        assert (line_of[one] == line_of[other]) == (rest[0] == rest[1]), f"{one} and {other}"
    for group in groups:
        values = [variants[name].get(key, 0) for name, _ in group.members]
        assert values == sorted(values) == [value for _, value in group.members]


def test_what_is_not_pruned_is_in_no_line_and_the_model_itself_is_the_value_nought() -> None:
    assert len(names(groups_by_sparsity(results_of(PRUNED)))) == 4
    assert "small net" not in itertools.chain(*names(groups_by_sparsity(results_of(PRUNED))))
    assert names(groups_by_draws(results_of(DRAWN))) == [
        ["kd", "equal, 1", "equal, 4", "equal, 16"],
        ["student, 1", "student, 4", "student, 16"],
    ]
    assert groups_by_draws(results_of(DRAWN))[0].members[0] == ("kd", 0)


def test_studies_without_them_have_no_groups() -> None:
    results = results_of(METHODS)
    assert groups_by_sparsity(results) == groups_by_draws(results) == []


def test_a_variant_without_its_like_is_alone() -> None:
    few = {name: PRUNED[name] for name in ("small net", "magnitude, 0.5", "magnitude, 0.9", "two guides, 0.9")}
    assert names(groups_by_sparsity(results_of(few))) == [["magnitude, 0.5", "magnitude, 0.9"], ["two guides, 0.9"]]


def test_a_criterion_that_one_variant_names_and_another_has_from_the_workspace_is_one() -> None:
    content = made_results(PRUNED, seeds=[0])
    del content["variants"]["magnitude, 0.8"]["changes"]["criterion"]
    groups = groups_by_sparsity(Results.model_validate(content))
    assert ["magnitude, 0.5", "magnitude, 0.8", "magnitude, 0.9", "magnitude, 0.95"] in names(groups)


def test_guides_of_another_variant_are_part_of_what_a_line_has_in_common() -> None:
    pruned = {"guides_from": "dgkd", "prunes": "scratch", "criterion": "guided"}
    variants = {
        **METHODS,
        **{f"from dgkd, {sparsity}": {**pruned, "sparsity": sparsity} for sparsity in (0.5, 0.9)},
        "strong, 0.5": {**pruned, "sparsity": 0.5, "lambda": 0.9},
    }
    assert names(groups_by_sparsity(results_of(variants))) == [["from dgkd, 0.5", "from dgkd, 0.9"], ["strong, 0.5"]]


def test_the_variant_that_gives_the_guides_stands_for_no_draws_beside_those_that_take_them() -> None:
    variants = {
        "kd": {"method": "kd", "dropping": "none"},
        "four": {"method": "kd", "dropping": "none", "draws": 4},
        "hot": {"guides_from": "four", "temperature": 8.0},
    }
    assert names(groups_by_draws(results_of(variants))) == [["kd", "four"], ["hot"]]
