"""Variants: what they change, and what is refused before anything is trained."""

from __future__ import annotations

import pytest

from dgkd_cache.errors import DgkdError
from dgkd_cache.study.variants import METHODS, make_variants, variants_of_methods
from dgkd_cache.workspace.workspace import Workspace


def test_a_variant_changes_what_it_names_and_nothing_else(ws: Workspace) -> None:
    changes = {"lr": 0.5, "lambda": 0.25, "views": 7, "encoding": "uint8", "guide_loss": "dkd", "epochs": 9}
    (found,) = make_variants(ws.config, {"x": changes})
    before, after = ws.config.to_dict(), found.config.to_dict()
    expected = {**before, "views": {**before["views"], "count": 7}, "cache": {**before["cache"], "encoding": "uint8"}}
    expected["training"] = {**before["training"], "lr": 0.5, "epochs": 9, "teacher": {}}
    expected["distillation"] = {**before["distillation"], "lambda": 0.25, "guide_loss": "dkd"}
    assert after == expected


def test_variants_with_and_without_topk(ws: Workspace) -> None:
    plain, rows = make_variants(ws.config, {"plain": {}, "rows": {"encoding": "topk", "topk": 2}})
    assert (plain.config.cache.topk, rows.config.cache.topk) == (None, 2)
    (back,) = make_variants(rows.config, {"back": {"encoding": plain.config.cache.encoding}})
    assert back.config == plain.config


def test_the_methods(ws: Workspace) -> None:
    found = {one.name: one.config.distillation for one in make_variants(ws.config, METHODS)}
    assert {name: (one.method, one.dropping) for name, one in found.items() if name != "scratch"} == {
        "kd": ("kd", "none"),
        "takd": ("takd", "none"),
        "dgkd": ("dgkd", "none"),
        "dgkd+drop": ("dgkd", "bernoulli"),
    }
    assert found["scratch"].method == "scratch"
    assert [*variants_of_methods(["kd", "scratch"])] == ["kd", "scratch"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": {"lambada": 0.5}}, "unknown key 'lambada' of the variant x: .*did you mean 'lambda'"),
        (
            {"x": {"lr": -1.0}},
            r"key 'lr' in table \[training\] of the variant x is wrong: expected more than 0, found -1",
        ),
        ({"x": {"lr": float("nan")}}, "of the variant x is wrong: expected a finite number, found nan"),
        ({"x": {"keep": "much"}}, "key 'keep' .* of the variant x is wrong"),
        ({"x": {"method": "kdd"}}, "key 'method' .* of the variant x is wrong: .*found \"kdd\""),
        ({"x": {"views": "fresh"}}, "key 'count' .* of the variant x is wrong"),
        ({"x": {"topk": 20}}, r'table \[cache\] of the variant x is wrong: .*no topk where encoding = "float16"'),
        ({"a": {"lr": 0.5}, "b": {"lr": 0.5}}, "the variants a and b are the same: .*lr = 0.5"),
        ({"x": {"select": "best"}}, "validation"),
        ({"a": {}, "b": {"method": "dgkd"}}, "the variants a and b are the same"),
    ],
)
def test_what_is_refused(ws: Workspace, changes: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        make_variants(ws.config, changes)
    assert caught.value.exit_code == 2


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(DgkdError, match="one of dgkd, dgkd.drop, dist, dkd, kd, scratch, takd; did you mean dgkd"):
        variants_of_methods(["dgdk"])


def test_methods_with_parts() -> None:
    assert variants_of_methods([*METHODS]) == METHODS
    found = variants_of_methods(["dkd", "dist", "dgkd+dist", "dgkd+drop+std", "takd+dkd", "dgkd+student"])
    assert found == {
        "dkd": {"method": "kd", "dropping": "none", "guide_loss": "dkd"},
        "dist": {"method": "kd", "dropping": "none", "guide_loss": "dist"},
        "dgkd+dist": {"method": "dgkd", "dropping": "none", "guide_loss": "dist"},
        "dgkd+drop+std": {"method": "dgkd", "dropping": "bernoulli", "standardize": True},
        "takd+dkd": {"method": "takd", "dropping": "none", "guide_loss": "dkd"},
        "dgkd+student": {"method": "dgkd", "dropping": "none", "weights": "student"},
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dgkd+dorp", "unknown part of the method dgkd\\+dorp, 'dorp': .*did you mean drop"),
        ("dgkd+", "unknown part of the method dgkd\\+, ''"),
        ("scratch+drop", "expected guides, found scratch; leave out \\+drop"),
        ("dkd+dist", "expected one value of guide_loss, found dist after dkd"),
        ("kd+std+std", "expected one value of standardize, found std after kd\\+std"),
        ("dgkd+drop+drop", "expected one value of dropping, found drop after dgkd\\+drop"),
    ],
)
def test_methods_that_are_refused(name: str, said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        variants_of_methods([name])
    assert caught.value.exit_code == 2


def test_parts_that_exclude_each_other_by_the_table(ws: Workspace) -> None:
    with pytest.raises(DgkdError, match='"dist", which has no loss of a single sample') as caught:
        make_variants(ws.config, variants_of_methods(["dgkd+dist+student"]))
    assert caught.value.exit_code == 2
