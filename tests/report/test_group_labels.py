"""Labels of groups: words for exactly what tells one group from another."""

from __future__ import annotations

from support.study_results import DRAWN, PRUNED, made_results

from dgkd_cache.report.group_labels import labels_of
from dgkd_cache.report.groups import groups_by_draws, groups_by_sparsity
from dgkd_cache.report.results_file import Results

Variants = dict[str, dict[str, object]]
KD: dict[str, object] = {"method": "kd", "dropping": "none"}


def pruned(variants: Variants) -> list[str]:
    results = Results.model_validate(made_results({"net": {"method": "scratch"}, **variants}, seeds=[0, 1]))
    return labels_of(results, groups_by_sparsity(results))


def drawn(variants: Variants) -> list[str]:
    results = Results.model_validate(made_results(variants, seeds=[0, 1]))
    return labels_of(results, groups_by_draws(results))


def test_importance_and_guides() -> None:
    results = Results.model_validate(made_results(PRUNED, seeds=[0]))
    assert labels_of(results, groups_by_sparsity(results)) == [
        "by magnitude, retrained without guides",
        "by gradient, retrained without guides",
        "by gradient under 1 guide",
        "by gradient under 2 guides",
    ]


def test_guides_that_all_have_are_not_told() -> None:
    common = {**KD, "prunes": "net", "sparsity": 0.5}
    variants = {name: {**common, "criterion": name} for name in ("magnitude", "gradient", "guided")}
    assert pruned(variants) == ["by magnitude", "by gradient", "by gradient under 1 guide"]


def test_other_guides_of_one_number_are_told_by_name() -> None:
    common = {"dropping": "none", "prunes": "net", "sparsity": 0.5, "criterion": "guided"}
    variants = {method: {**common, "method": method} for method in ("kd", "takd", "dgkd")}
    assert pruned(variants) == [
        "by gradient under teacher",
        "by gradient under ta1",
        "by gradient under teacher and ta1",
    ]


def test_a_group_that_is_alone() -> None:
    alone: dict[str, object] = {**KD, "prunes": "net", "sparsity": 0.5, "criterion": "magnitude"}
    assert pruned({"one": alone}) == ["by magnitude, retrained under teacher"]
    assert drawn({"one": {**KD, "draws": 4}}) == ["under teacher"]


def test_weights_and_what_only_they_need() -> None:
    assert drawn(DRAWN) == ["equal weights", "weights by agreement"], "equal weights have no percentile"
    more: Variants = {**DRAWN, "all": {**DRAWN["student, 4"], "percentile": 0}}
    assert drawn(more) == [
        "equal weights",
        "weights by agreement, percentile 90",
        "weights by agreement, percentile 0",
    ]


def test_any_other_setting_is_told_as_the_file_has_it() -> None:
    one: dict[str, object] = {"prunes": "net", "sparsity": 0.5, "criterion": "magnitude", "method": "scratch"}
    assert pruned({"a": {**one, "lr": 0.1}, "b": {**one, "lr": 0.01}}) == ["lr 0.1", "lr 0.01"]
    hot = {**KD, "draws": 4, "temperature": 8.0}
    assert drawn({"a": {**KD, "draws": 4}, "b": hot}) == ["temperature 4.0", "temperature 8.0"], "4.0 is in the records"
    both = {**KD, "prunes": "net", "sparsity": 0.5, "criterion": "guided"}
    assert pruned({"a": both, "b": {**both, "draws": 4}, "c": {**both, "draws": 1}}) == [
        "model itself",
        "4 draws",
        "1 draw",
    ]
    variants: Variants = {"net": {"method": "scratch"}, "b": {**both, "draws": 4}, "c": {**KD, "draws": 4}}
    assert drawn(variants) == ["50 % removed", "not pruned"]


def test_two_sources_are_told_by_name() -> None:
    one: dict[str, object] = {"sparsity": 0.5, "criterion": "magnitude", "method": "scratch"}
    variants: Variants = {
        "other": {"method": "kd"},
        "a": {**one, "prunes": "net"},
        "b": {**one, "prunes": "other"},
    }
    assert pruned(variants) == ["of net", "of other"]


def test_no_two_labels_are_the_same() -> None:
    """Settings that no words tell apart, such as a number of views beside that of the workspace."""
    one = {**KD, "draws": 4}
    assert drawn({"first": one, "second": {**one, "views": 8}}) == ["first", "second"]
