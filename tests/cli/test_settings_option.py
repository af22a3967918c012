"""--set: a run with it is the run of the file edited, and a flag beside it is refused."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from support.shell import toml

from dgkd_cli.main import main

Command = Callable[..., Result]
VERBS = ("plan", "run", "train", "prune", "dump", "eval", "compare", "ls")
SET = ("--set", "training.lr=0.02", "--set", "training.teacher.epochs=1", "--set", "cache.encoding=float32")


def test_the_verbs_that_have_it() -> None:
    assert {name for name, verb in main.commands.items() if "--set" in {o for p in verb.params for o in p.opts}} == {
        *VERBS
    }


def edit(folder: Path) -> None:
    """Writes the settings of `SET` into the file."""
    tables = tomllib.loads((folder / "dgkd.toml").read_text())
    tables["training"] |= {"lr": 0.02, "teacher": {"epochs": 1}}
    tables["cache"]["encoding"] = "float32"
    (folder / "dgkd.toml").write_text(toml(tables))


def test_a_run_with_it_is_that_of_the_file_edited(command: Command, here: Path) -> None:
    given = command("run", "--device", "cpu", *SET)
    assert given.exit_code == 0, given.output
    refused = command("run", "--device", "cpu")
    assert refused.exit_code == 13 and "training.lr" in refused.stderr
    before = {path.relative_to(here): path.read_bytes() for path in here.rglob("*") if path.is_file()}
    edit(here)
    again = command("run", "--device", "cpu")
    assert again.exit_code == 0 and again.stderr.count("is done and up to date") == 2
    for name in ("runs", "guides"):
        (here / name).rename(here / f"{name}-given")
    assert command("run", "--device", "cpu").exit_code == 0
    compared = 0
    for path, data in before.items():
        if path.parts[0] == "guides" or path.name in ("inputs.json", "weights.safetensors"):
            assert (here / path).read_bytes() == data, path
            compared += 1
        if path.name == "card.json":
            one, other = (json.loads(text) for text in (data, (here / path).read_bytes()))
            for key in ("training", "views", "guides", "weights_digest", "inputs_digest"):
                assert one[key] == other[key]
    assert compared > 8


def test_hints_repeat_it(command: Command, here: Path) -> None:
    assert command("run", "--device", "cpu").exit_code == 0
    stale = command("run", "--device", "cpu", "--set", "training.seed=5")
    assert stale.exit_code == 13 and "`dgkd-cache run --remake --set training.seed=5`" in stale.stderr


@pytest.mark.parametrize(
    ("words", "flag", "key"),
    [
        ("train teacher --epochs 3 --set training.epochs=2", "--epochs", "training.epochs"),
        ("train teacher --epochs 3 --set training.teacher.epochs=2", "--epochs", "training.teacher.epochs"),
        ("train ta1 --set distillation.lambda=0.3 --lambda 0.3", "--lambda", "distillation.lambda"),
        ("train ta1 --no-compile --set training.compile=true", "--compile", "training.compile"),
        ("dump teacher --precision bf16 --set cache.precision=bf16", "--precision", "cache.precision"),
    ],
)
def test_a_flag_of_the_same_key_is_refused(command: Command, workspace: Path, words: str, flag: str, key: str) -> None:
    done = command(*words.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{flag} and --set {key} set the same key: give one of them" in done.stderr


def test_every_flag_of_a_setting_is_held_against_it() -> None:
    from dgkd_cache.config.assignments import known_keys
    from dgkd_cli.commands.train import _KEYS

    assert set(_KEYS.values()) <= set(known_keys())
    assert set(_KEYS) <= {one.name for one in main.commands["train"].params}


@pytest.mark.parametrize("verb", ["plan", "run", "train teacher", "dump teacher", "eval teacher", "ls"])
def test_a_wrong_key_is_exit_2(command: Command, workspace: Path, verb: str) -> None:
    done = command(*verb.split(), "--set", "training.lrr=1")
    assert (done.exit_code, done.stdout) == (2, "") and "did you mean 'lr'?" in done.stderr


def test_it_goes_before_the_file(command: Command, workspace: Path) -> None:
    assert ("plain6" in command("ls").stdout, "plain8" in command("ls").stdout) == (True, False)
    set_anew = command("ls", "--set", "chain.teacher=plain8").stdout
    assert ("plain6" in set_anew, "plain8" in set_anew) == (False, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train ta1 --lr 0.05", "No such option '--lr'. `--set training.lr=0.05` sets it"),
        ("train ta1 --weight-decay", "No such option '--weight-decay'. `--set training.weight_decay=VALUE` sets it"),
        ("run --encoding=uint8", "No such option '--encoding'. `--set cache.encoding=uint8` sets it"),
        (
            "train --batch-size=16 ta1",
            "No such option '--batch-size'. `--set training.batch_size=16` or `--set cache.batch_size=16` sets it",
        ),
        (
            "run --transforms crop(1),hflip",
            """No such option '--transforms'. `--set 'views.transforms=["crop(1)", "hflip"]'` sets it""",
        ),
        ("run --lr-steps 0.5,0.7", "No such option '--lr-steps'. `--set 'training.lr_steps=[0.5,0.7]'` sets it"),
        (
            "init --chain plain2 --weight-decay 0",
            "No such option '--weight-decay'. It is the key training.weight_decay of the dgkd.toml that `init` writes",
        ),
    ],
)
def test_an_unknown_option_that_is_a_key_points_to_it(command: Command, workspace: Path, words: str, said: str) -> None:
    result = command(*words.split())
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[-1]) == (2, "", f"Error: {said}")
    for hint in re.findall("`--set (.*?)`", said):
        if "VALUE" not in hint:
            assert command("ls", "--set", *shlex.split(hint)).exit_code == 0


@pytest.mark.parametrize("words", ["train --seeed 1", "info teacher --lr 3"])
def test_any_other_unknown_option_is_told_as_ever(command: Command, workspace: Path, words: str) -> None:
    result = command(*words.split())
    assert result.exit_code == 2 and "--set training" not in result.stderr and "Did you mean" in result.stderr
