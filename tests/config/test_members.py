"""Members of a chain by their text."""

from __future__ import annotations

import pytest

from dgkd_cache.config.members import Member, parse_member
from dgkd_cache.config.workspace_config import parse_config
from dgkd_cache.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("resnet8", "trained", "resnet8"),
        ("torchvision:resnet18", "trained", "torchvision:resnet18"),
        ("mynets:make", "trained", "mynets:make"),
        ("adopted:big", "adopted", "big"),
        ("store:../lab/teacher.zarr", "store", "../lab/teacher.zarr"),
        ("adopted", "trained", "adopted"),
        ("pruned", "trained", "pruned"),
    ],
)
def test_what_a_text_is(text: str, kind: str, what: str) -> None:
    assert parse_member(text) == Member(kind=kind, what=what)


def test_a_pruned_member_has_a_source_and_a_sparsity() -> None:
    assert parse_member("pruned:teacher@0.5") == Member(kind="pruned", what="teacher", sparsity="0.5")
    assert parse_member("pruned:teacher") == Member(kind="pruned", what="teacher", sparsity="")


def chain(**members: str) -> dict[str, object]:
    return {"views": {"transforms": ["crop(1)"]}, "chain": members}


def test_members_from_elsewhere_are_taken() -> None:
    found = parse_config(chain(teacher="adopted:big", ta1="store:x.zarr", student="plain2"), source="it")
    assert [found.member(name).kind for name in found.chain] == ["adopted", "store", "trained"]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"teacher": "plain4", "student": "adopted:big"}, "student in table .chain. of it cannot be the last model"),
        ({"teacher": "adopted:Big!", "student": "plain2"}, "teacher in table .chain. of it is wrong"),
        ({"teacher": "adopted:", "student": "plain2"}, "is wrong"),
        ({"teacher": "store:", "student": "plain2"}, "is wrong: expected store:PATH"),
        ({"teacher": "adopted:a", "ta1": "adopted:a", "student": "plain2"}, "ta1 .* is there twice"),
        ({"teacher": "plain4", "ta1": "adopted:teacher", "student": "plain2"}, "has the name of another model"),
        ({"teacher": "plain4", "student": "pruned:teacher@1"}, "expected pruned:NAME@SPARSITY with a sparsity from 0"),
        ({"teacher": "plain4", "student": "pruned:teacher"}, "expected pruned:NAME@SPARSITY with a sparsity from 0"),
        ({"teacher": "plain4", "student": "pruned:Big!@0.5"}, "expected pruned:NAME@SPARSITY with the name of a model"),
        ({"teacher": "plain4", "student": "pruned:student@0.5"}, "cannot be pruned from student: .*put student before"),
        ({"teacher": "pruned:student@0.5", "student": "plain2"}, "put student before teacher, or name another model"),
        ({"teacher": "store:x.zarr", "student": "pruned:teacher@0.5"}, "cannot be pruned from teacher"),
    ],
)
def test_what_cannot_be_a_member(members: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        parse_config(chain(**members), source="it")


def test_pruned_members_are_taken_last_and_twice() -> None:
    members = chain(teacher="adopted:big", ta1="pruned:teacher@0.5", ta2="pruned:other@0.5", student="pruned:ta1@0.9")
    found = parse_config(members | {"training": {"ta1": {"epochs": 3}}}, source="it")
    assert [found.member(name).kind for name in found.chain] == ["adopted", "pruned", "pruned", "pruned"]


def test_a_recipe_of_a_member_from_elsewhere_has_no_effect() -> None:
    tables = chain(teacher="adopted:big", student="plain2") | {"training": {"teacher": {"epochs": 3}}}
    with pytest.raises(InvalidInput, match=r"\[training.teacher\] of it has no effect"):
        parse_config(tables, source="it")


def test_adopted_models_have_architecture_and_weights() -> None:
    model = {"architecture": "resnet14", "weights": "a" * 64}
    tables = chain(teacher="adopted:big", student="plain2") | {"models": {"big": model}}
    assert parse_config(tables, source="it").models["big"].weights == "a" * 64
    with pytest.raises(InvalidInput, match="unknown key 'weight' in table .models.big.*did you mean 'weights'"):
        parse_config(tables | {"models": {"big": {**model, "weight": "x"}}}, source="it")
    with pytest.raises(InvalidInput, match=r"table \[models\] of it is not usable"):
        parse_config(tables | {"models": {"Big": model}}, source="it")
