"""Settings KEY=VALUE: their keys, their values, and the same checks as in the file."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from dgkd_cache.config.assignments import assign, known_keys, parse_assignment, parse_assignments
from dgkd_cache.config.workspace_config import WorkspaceConfig, parse_config
from dgkd_cache.errors import InvalidInput

TABLES: dict[str, Any] = {
    "views": {"transforms": ["none"]},
    "chain": {"teacher": "plain4", "student": "plain2"},
    "training": {"epochs": 4, "student": {"lr": 0.5}},
}


def config() -> WorkspaceConfig:
    return parse_config(TABLES, source="here")


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("training.lr=0.05", ("training", "lr"), 0.05),
        ("training.ta1.epochs=3", ("training", "ta1", "epochs"), 3),
        ('training."ta1".epochs = 3', ("training", "ta1", "epochs"), 3),
        ("training.'ta1'.nesterov=true", ("training", "ta1", "nesterov"), True),
        ("training.optimizer=adamw", ("training", "optimizer"), "adamw"),
        ('training.optimizer="adamw"', ("training", "optimizer"), "adamw"),
        ("dataset.name=folder:~/a b=c", ("dataset", "name"), "folder:~/a b=c"),
        ('views.transforms=["crop(1)", "hflip"]', ("views", "transforms"), ["crop(1)", "hflip"]),
        ("cache.licence=", ("cache", "licence"), ""),
        ("cache.licence=CC-BY-4.0", ("cache", "licence"), "CC-BY-4.0"),
    ],
)
def test_keys_and_values(text: str, key: tuple[str, ...], value: object) -> None:
    assert parse_assignment(text) == (key, value)


@pytest.mark.parametrize(
    "text",
    [
        *("training.lr", "=1", ".lr=1", "training..lr=1", "training.lr.=1", "a.b.c.d=1", "[training]\nlr=1", ""),
        *("views.transforms=[1", 'cache.licence="a', "cache.licence=a\nb", "training.lr=1\nepochs=2", "a b.c=1"),
        *("views.transforms=" + "[" * 5000, "training.lr=" + "1" * 70_000),
    ],
)
def test_what_sets_nothing(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_assignment(text)


def test_a_key_comes_once() -> None:
    with pytest.raises(InvalidInput, match=r"--set names training\.lr twice"):
        parse_assignments(["training.lr=1", 'training."lr"=2'])


def test_settings_are_those_of_the_file_edited() -> None:
    texts = ["training.student.lr=0.25", "training.lr=0.125", "training.epochs=2", "distillation.lambda=1"]
    edited = {
        **TABLES,
        "training": {"epochs": 2, "lr": 0.125, "student": {"lr": 0.25}},
        "distillation": {"lambda": 1},
    }
    assert assign(config(), parse_assignments(texts)) == parse_config(edited, source="here")


def test_a_general_key_is_set_for_every_model() -> None:
    changed = assign(config(), {("training", "lr"): 0.125})
    assert [changed.training_for(name).lr for name in ("teacher", "student")] == [0.125, 0.125]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training.lrr=1", "did you mean 'lr'?"),
        ("trainning.lr=1", "did you mean 'training'?"),
        ("training.studnet.lr=1", "did you mean 'student'?"),
        ("chain.studnet=plain4", "did you mean student?"),
        ("lr=0.05", "did you mean training.lr?"),
        ("seed=1", "did you mean views.seed or training.seed?"),
        ("training.lr.x=1", "unknown key 'x' in table [training.lr] of --set"),
        ("training.epochs=0", "key 'epochs' in table [training] of --set is wrong: expected at least 1, found 0"),
        ("training.lr=fast", 'expected a valid number, found "fast"'),
        ("views.transforms=crop(1)", 'expected a list, as ["crop(1)"], found "crop(1)"'),
        ("training.lr_steps=0.5", "expected a list, as [0.5], found 0.5"),
        ("training.student={lr=1}", "expected the value of one key, found a table"),
    ],
)
def test_errors_are_those_of_the_file(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        assign(config(), parse_assignments([text]))
    assert said in str(caught.value)


def test_known_keys_are_those_of_the_file() -> None:
    tables = config().to_dict()
    named = {
        f"{table}.{key}"
        for table in tables
        if table not in ("chain", "models")
        for key in tables[table]
        if key != "student"
    }
    assert set(known_keys()) == named
    assert tomllib.loads("\n".join(f"{key} = 0" for key in known_keys())).keys() == tables.keys() - {"chain", "models"}
