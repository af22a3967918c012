"""The group: help without torch, and every error as a message on stderr with its exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import numpy
import pytest
import torch
from click.testing import CliRunner, Result

import dgkd_cache.workspace.workspace
from dgkd_cache import errors
from dgkd_cli import __main__
from dgkd_cli.main import main

Command = Callable[..., Result]

VERBS = ["init", "plan", "run", "train", "prune", "adopt", "dump", "eval", "compare", "report", "ls", "info", "verify"]
VERBS += ["repair", "export", "import", "push", "pull", "sign", "card", "subset", "merge", "diff"]
VERBS += ["models", "datasets", "transforms", "recipes", "doctor"]


def test_the_verbs_come_in_the_order_of_work(command: Command) -> None:
    result = command("--help")
    assert result.exit_code == 0
    listed = [line.split()[0] for line in result.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == VERBS


def help_at(columns: int, *arguments: str) -> str:
    # click leaves two columns of a terminal free, but none in its runner, and uses 100 at most.
    return CliRunner().invoke(main, [*arguments, "--help"], terminal_width=min(columns, 100) - 2).stdout


def test_the_summary_of_each_verb_is_whole_at_80_columns() -> None:
    lines = help_at(80).partition("Commands:\n")[2].splitlines()
    summaries = [(main.commands[verb].help or "").partition("\n")[0] for verb in VERBS]
    assert [line.split(maxsplit=1) for line in lines] == [list(pair) for pair in zip(VERBS, summaries, strict=True)]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_cuts_no_word(verb: str, columns: int) -> None:
    text = help_at(columns, *verb.split())
    assert max(map(len, text.splitlines())) <= columns
    known = main.commands[verb] if verb else main
    helps = [known.help, *(one.help for one in known.params if isinstance(one, click.Option) and not one.hidden)]
    assert {word for told in helps for word in (told or "").replace("\b", "").split()} <= set(text.split())


def option(verb: str, name: str) -> click.Option:
    (found,) = [each for each in main.commands[verb].params if each.name == name]
    assert isinstance(found, click.Option)
    return found


@pytest.mark.parametrize(
    ("verb", "codecs"), [("export", {"none", "gzip", "blosc", "zstd"}), ("import", {"none", "blosc", "zstd"})]
)
def test_the_codecs_that_the_forms_have(verb: str, codecs: set[str]) -> None:
    kind = option(verb, "codec").type
    assert isinstance(kind, click.Choice) and set(kind.choices) == codecs


def test_help_loads_no_torch() -> None:
    script = """
import sys
from dgkd_cli.main import main
for arguments in ([], *([verb] for verb in main.commands)):
    main.main([*arguments, "--help"], standalone_mode=False)
heavy = {"torch", "torchvision", "sklearn", "scipy", "obstore", "huggingface_hub"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: ") == 1 + len(VERBS)


def test_what_needs_no_model_needs_no_torch(workspace: Path) -> None:
    script = """
import sys
from dgkd_cli.main import main
main.main(["ls", "--json"], standalone_mode=False)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=workspace)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command(workspace: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "dgkd_cli", "ls"], capture_output=True, text=True, cwd=workspace)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:3] == ["teacher", "missing", "plain6"]


def raising(command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Result:
    def refuse(folder: Path) -> None:
        raise error

    monkeypatch.setattr(dgkd_cache.workspace.workspace.Workspace, "open", refuse)
    return command("ls")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("DgkdError", 1),
        ("DataUnreadable", 1),
        ("InvalidInput", 2),
        ("UnknownName", 2),
        ("Incomplete", 3),
        ("StoreNotFound", 10),
        ("Locked", 11),
        ("Damaged", 12),
        ("Mismatch", 13),
        ("NoSpace", 14),
        ("UnsafeStore", 15),
        ("Interrupted", 130),
    ],
)
def test_each_error_has_its_exit_code(command: Command, monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    error = getattr(errors, name)("it went wrong", expected="this", found="that", do="do the other")
    result = raising(command, monkeypatch, error)
    assert result.exit_code == code
    assert result.stdout == ""
    said = "it went wrong: expected this, found that; do the other\n"
    assert result.stderr == (said if name == "Interrupted" else f"Error: {said}"), "a clean stop is no error"


@pytest.mark.parametrize("lack", [lambda: bytearray(2**62), lambda: numpy.empty(2**57), lambda: torch.empty(2**57)])
def test_memory_that_is_not_there(
    command: Command, monkeypatch: pytest.MonkeyPatch, lack: Callable[[], object]
) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as wanted:
        lack()
    result = raising(command, monkeypatch, wanted.value)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: there is not enough memory") and "batch_size" in result.stderr
    with pytest.raises(RuntimeError, match="a bug"):
        raising(command, monkeypatch, RuntimeError("a bug"))


def test_a_full_disk_and_a_forbidden_file(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    full = raising(command, monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "guides/x"))
    assert full.exit_code == 14
    assert full.stderr.startswith("Error: no space left for guides/x; free some and run the same command again")
    assert "what was finished is kept" not in full.stderr
    forbidden = raising(command, monkeypatch, PermissionError(errno.EACCES, "Permission denied", "dgkd.toml"))
    assert forbidden.exit_code == 1
    assert forbidden.stderr == "Error: dgkd.toml: Permission denied\n"


def test_an_interrupt_is_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    result = raising(command, monkeypatch, KeyboardInterrupt())
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "interrupted: nothing is damaged; run the same command again\n"


def test_usage_errors_are_2(command: Command) -> None:
    for arguments in (
        ["runn"],
        ["run", "--devise", "cpu"],
        ["dump"],
        ["eval", "--model", "x", "--split", "y"],
    ):
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert "Usage:" in result.stderr


@pytest.mark.parametrize("words", [["models"], ["models", "--help"]])
def test_a_reader_that_goes_away_is_no_error_to_speak_of(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # a reader that is quick may go after the last word: this one is gone before the first
    done = subprocess.run([sys.executable, "-m", "dgkd_cli", *words], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.stderr == ""


def test_every_verb_that_prints_results_has_json() -> None:
    for name, verb in main.commands.items():
        assert "as_json" in [parameter.name for parameter in verb.params], name


def test_ctrl_c_while_modules_are_loaded_is_a_clean_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Loading(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "dgkd_cli.main", Loading("dgkd_cli.main"))
    with pytest.raises(SystemExit) as caught:
        __main__.entry()
    assert caught.value.code == 130 and capsys.readouterr().err == "interrupted: nothing was begun\n"


def test_help_is_no_verb_and_says_how_it_is_asked_for() -> None:
    for words in (["help"], ["help", "train"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2
        assert "`dgkd-cache --help` lists the verbs, and --help after a verb describes it" in result.stderr
