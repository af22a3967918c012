"""A model's name as an argument, or as --model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Command = Callable[..., Result]


@pytest.mark.parametrize("verb", ["train", "dump", "eval"])
def test_an_argument_is_the_option(command: Command, workspace: Path, verb: str) -> None:
    answers = [command(verb, *words) for words in (["zzz"], ["--model", "zzz"], ["zzz", "--model", "zzz"])]
    assert {(one.exit_code, one.stderr) for one in answers} == {(2, answers[0].stderr)}
    assert "'zzz'" in answers[0].stderr


@pytest.mark.parametrize("words", [["ta1", "--model", "teacher"], ["--model", "teacher", "ta1"]])
@pytest.mark.parametrize("verb", ["train", "dump", "eval"])
def test_two_names_are_refused(command: Command, workspace: Path, verb: str, words: list[str]) -> None:
    done = command(verb, *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "two models are named, ta1 and --model teacher: give one of them" in done.stderr


@pytest.mark.parametrize("verb", ["dump", "eval"])
def test_no_name_is_refused(command: Command, workspace: Path, verb: str) -> None:
    done = command(verb)
    assert done.exit_code == 2 and f"`{verb}` needs the NAME of a model" in done.stderr


def test_a_name_and_a_student_are_refused(command: Command, workspace: Path) -> None:
    done = command("train", "ta1", "--student", "plain2")
    assert done.exit_code == 2 and "exactly one of NAME" in done.stderr
