"""-w, -q, --no-user-code and --json mean the same before the verb and after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_cli.main import main

Command = Callable[..., Result]


def test_every_verb_takes_them() -> None:
    for name, verb in main.commands.items():
        taken = {flag for one in verb.params for flag in one.opts}
        assert {"-w", "--workspace", "-q", "--quiet", "--no-user-code", "--json"} <= taken, name


@pytest.mark.parametrize(
    "words", [["-w", "W", "--json", "ls"], ["ls", "--json", "-w", "W"], ["--json", "ls", "-w", "W"]]
)
def test_before_and_after_the_verb(
    command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir("/")
    done = command(*(str(workspace) if word == "W" else word for word in words))
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["workspace"] == str(workspace.resolve())


def test_two_folders_are_refused(command: Command, workspace: Path) -> None:
    here = str(workspace)
    assert command("-w", here, "ls", "-w", here).exit_code == 0
    done = command("-w", here, "ls", "-w", "elsewhere")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"two workspaces are named, -w {here} and -w elsewhere: give one of them" in done.stderr


@pytest.mark.parametrize("words", [["-w", "x", "models"], ["models", "-w", "x"], ["datasets", "-w", "x"]])
def test_a_verb_without_workspace_refuses_one(command: Command, words: list[str]) -> None:
    done = command(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "-w x would have no effect" in done.stderr


@pytest.mark.parametrize("words", [["-q", "datasets", "digits"], ["datasets", "digits", "-q"]])
def test_quiet_silences_the_line_on_the_data(command: Command, words: list[str]) -> None:
    assert "digits" in command("datasets", "digits").stderr
    assert command(*words).stderr == ""


@pytest.mark.parametrize("words", ["--no-user-code models nets:make", "models nets:make --no-user-code"])
def test_code_is_refused_from_either_place(command: Command, words: str) -> None:
    done = command(*words.split())
    assert done.exit_code == 2 and "no module:factory, because of --no-user-code" in done.stderr
