"""The context of every verb: the workspace of `-w`, and the options that verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from dgkd_cli.main import main

Command = Callable[..., Result]


def option(verb: str, name: str) -> click.Option:
    (found,) = [each for each in main.commands[verb].params if each.name == name]
    assert isinstance(found, click.Option)
    return found


def test_taking_over_is_the_same_for_every_verb_that_writes() -> None:
    wordings = {option(verb, "take_over").help for verb in ("dump", "repair", "export", "import", "push", "pull")}
    assert wordings == {"Take over what a process of another host or container holds, if you know it is no more."}


def test_the_workspace_is_named_by_an_option(
    command: Command, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    os.chdir(elsewhere)
    lost = command("ls")
    assert lost.exit_code == 2
    assert "no workspace: expected a file dgkd.toml" in lost.stderr
    found = command("-w", str(workspace), "ls")
    assert (found.exit_code, found.stderr) == (0, "")
