"""Hints that give a setting, a command or an option: each is provoked in a workspace, and followed to the letter.

The words come out of the message. Where a hint offers several ways, each is gone in a workspace of its own. Code is in
`test_applied_code.py`; the last test here holds both to all hints of the source.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir
from pathlib import Path

import pytest
from support.code_cases import CASES as CODE
from support.hint_adoption import ADOPTION
from support.hint_cases import CASES
from support.hint_commands import COMMANDS
from support.hint_pruning import PRUNING
from support.hint_sharing import SHARING
from support.hints import CONCRETE, commands_in, pattern_of, settings_in, source_hints, words_in
from support.shell import Case, Shell
from support.tiny_chain import CONFIG, MODULE, THREE

from dgkd_cache.config.workspace_config import WorkspaceConfig
from dgkd_cli.main import main

NETS = """
import torch
from torch import nn

def net(*, channels, classes, height, width):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

def others():
    train, test = bars()
    return (255 - train[0], *train[1:]), test

def normed(**shape):
    return nn.Sequential(net(**shape), nn.BatchNorm1d(shape["classes"]))

def large(*, channels, classes, height, width):
    return nn.Sequential(nn.Conv2d(channels, classes, 9), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def softmax(**shape):
    return nn.Sequential(net(**shape), nn.Softmax(-1))
"""


LISTED: dict[str, str] = {}
"""The output of commands that say the same everywhere."""


def table_of(key: str) -> str:
    """The only table of dgkd.toml that has this key."""
    (table,) = [
        name
        for name, about in WorkspaceConfig.model_fields.items()
        if key in getattr(about.annotation, "model_fields", {})
    ]
    return table


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the workspaces `bare`, where nothing was run, and `done`, with a finished chain."""
    folder = tmp_path_factory.mktemp("templates")
    for name in ("bare", "done"):
        (folder / name).mkdir()
        (folder / name / "dgkd.toml").write_text(CONFIG.format(chain=THREE).replace("epochs = 3", "epochs = 2"))
    (folder / "tiny_bars.py").write_text(MODULE + NETS)
    with pytest.MonkeyPatch.context() as patch:
        own_module(folder, patch)
        Shell(folder, patch, ExitStack()).ok(f"-w {folder / 'done'} run")
        yield folder


def own_module(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Has `tiny_bars` imported from here: other tests have modules of that name."""
    patch.syspath_prepend(str(folder))
    patch.delitem(sys.modules, "tiny_bars", raising=False)
    patch.setitem(sys.modules, "tiny_bars", importlib.import_module("tiny_bars"))


@pytest.fixture
def user(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Case, int], tuple[Shell, str]]]:
    """A new user who stands in a copy of the case's workspace, where the case was provoked: and what was said."""

    own_module(templates, monkeypatch)

    def begin(case: Case, number: int) -> tuple[Shell, str]:
        for name in ("bare", "done"):
            shutil.copytree(templates / name, tmp_path / str(number) / name)
        shell = Shell(tmp_path / str(number) / ("bare" if case.bare else "done"), monkeypatch, stack)
        os.chdir(shell.folder)
        case.spoil(shell)
        exit_code, message = shell.do(case.action)
        assert exit_code != 0, message
        return shell, message

    with ExitStack() as stack, chdir(tmp_path):
        yield begin


def hint_of(case: Case, message: str) -> str:
    """The hint in the message, with what it leaves to the user filled in."""
    found = re.search(rf"(?:[;:]|[;,] or) ({pattern_of(case.hint).pattern})$", message, re.MULTILINE)
    assert found, message
    hint = found[1]
    for left, words in case.fill.items():
        hint = re.sub(rf"\b{left}\b", words, hint) if left.isupper() or " " in left else hint
    return hint


def edits_of(case: Case, message: str, hint: str) -> list[dict[str, object]]:
    """The changes of dgkd.toml that a hint offers."""
    tables = re.findall(r"table \[(\w+)\]", hint + message)
    if lacking := re.search(r"write \[(\w+)\] there", hint):
        return [{lacking[1]: tomllib.loads(CONFIG.format(chain=THREE))[lacking[1]]}]
    if "take it out" in hint:
        return [{f"{tables[0]}.{key}": None for key in re.findall(r"unknown key '(\w+)'", message)}]
    if said := re.search(r"(\w+) \(= (\w+) in", hint):
        return [{f"{tables[0]}.{said[1]}": json.loads(said[2])}]
    if named := re.match(r"(?:set|write) (\w+) (?:in table|= \.\.\.)", hint):
        return [{f"{tables[0]}.{named[1]}": json.loads(case.fill[named[1]])}]
    if dotted := re.search(r"(?:set|lower|choose another) (\w+)\.(\w+)", hint):
        return [{f"{dotted[1]}.{dotted[2]}": json.loads(case.fill[dotted[2]])}]
    alone = {"training.views": None} if "only in" in hint else {}
    return [{**alone, f"{table}.{key}": json.loads(value)} for table, key, value in settings_in(hint, table_of)]


def verb_of(words: str | Callable[[], object]) -> str:
    return next(word for word in words.split() if word in main.commands) if isinstance(words, str) else ""


def run_commands(shell: Shell, case: Case, hint: str, commands: list[str]) -> None:
    """The commands of a hint; the last one helps. Then the first command again, where they are not that themselves."""
    if gone := re.search(r"remove (\S+) (?:and|to begin)", hint):
        shell.remove(gone[1])
    if "without torchrun" in hint:
        shell.env = {}
    for words in commands[:-1]:
        exit_code, said = shell.run(words)
        assert exit_code in (0, 12), said  # `verify` tells of damage by that
    if commands:
        shell.ok(commands[-1])
    if case.then or not commands or verb_of(commands[-1]) != verb_of(case.action):
        exit_code, said = shell.do(case.then or case.action)
        assert exit_code == 0, said


def ways_of(case: Case, message: str) -> list[Callable[[Shell], object]]:
    """Returns the actions of a user who follows the hint: one for each thing that it offers."""
    hint, action = hint_of(case, message), case.action

    def again(shell: Shell, words: str | Callable[[], object] = case.then or action) -> None:
        exit_code, said = shell.do(words)
        assert exit_code == 0, said

    if case.by == "settings":
        return [lambda shell, edit=edit: [shell.edit(edit), again(shell)] for edit in edits_of(case, message, hint)]
    if case.by == "commands":
        found = commands_in(hint)
        groups = [found] if case.together else [[words] for words in found]
        return [lambda shell, group=group: run_commands(shell, case, hint, group) for group in groups]
    if case.by == "options":
        options = dict.fromkeys(re.findall(r"(?<![\w-])--[a-z-]+", re.sub("`dgkd-cache [^`]*`", "", hint)))
        lines = [f"{case.then or action} {words}" for one in options if (words := case.fill.get(one, one))]
        if out := re.fullmatch(r"leave (--[a-z-]+) out", hint):
            lines = [re.sub(rf" {out[1]} \S+", "", str(action))]
        return [lambda shell, line=line: [shell.ok(line), case.then and again(shell, action)] for line in lines]
    assert isinstance(action, str)
    if case.by == "words":

        def write(shell: Shell, word: str) -> None:
            shell.settings.write_text(shell.settings.read_text().replace(case.wrong, word))
            again(shell, action.replace(case.wrong, word))

        return [lambda shell, word=word: write(shell, word) for word in words_in(hint)]
    (listing,) = commands_in(hint)

    def look(shell: Shell) -> None:
        if listing not in LISTED or listing.split()[-1] == "ls":
            LISTED[listing] = shell.ok(listing)
        assert (case.right or "Usage") in LISTED[listing]
        again(shell, action.replace(case.wrong, case.right) if case.right else f"{action} other")

    return [look]


@pytest.mark.parametrize(
    "case", [*CASES, *COMMANDS, *SHARING, *ADOPTION, *PRUNING], ids=lambda case: f"{case.hint[:40]}-{case.by}"
)
def test_each_way_that_a_hint_offers_works(case: Case, user: Callable[[Case, int], tuple[Shell, str]]) -> None:
    shell, message = user(case, 0)
    ways = ways_of(case, message)
    assert ways, message
    ways[0](shell)
    for number in range(1, len(ways)):
        shell, message = user(case, number)
        ways_of(case, message)[number](shell)


def test_a_hint_that_does_not_help_fails(user: Callable[[Case, int], tuple[Shell, str]]) -> None:
    stale = Case("X sets it aside X", "settings", "run", lambda shell: shell.edit({"training.seed": 5}))
    shell, message = user(stale, 0)
    with pytest.raises(AssertionError, match="no edit"):
        assert edits_of(stale, message, hint_of(stale, message)), "no edit"
    for commands in (["run --remakes"], ["dump"], ["ls"], ["run"]):
        with pytest.raises(AssertionError):
            run_commands(shell, stale, "", commands)
    with pytest.raises(AssertionError):
        hint_of(Case("set X", "settings", "run"), message)


ELSEWHERE = {
    "start torchrun with --nproc-per-node X": "several processes",
    "set requires_grad = False for what is not trained, or train in one process, without torchrun": "several processes",
    "close other programs, or begin anew (`train --fresh`, `run --remake`) with a lower training.batch_size or "
    "cache.batch_size": "full memory",
    ", or run the same command with `--take-over`, if you know that it is no more": "another host",
    "the same command with `--take-over`": "another host",
    "`dgkd-cache dump --model X --take-over`, with that dump's other options": "another host",
    "`--remake` would X again": "no error: a line of `run --dry-run`, followed in workspace/test_chain_preview.py",
    "put the files there, or leave --no-download out": "network",
    "leave it out, or give --method in its place": "an option that goes: followed in cli/commands/test_train.py",
    "leave --resume out": "an option without a value: followed in cli/test_resume_option.py",
    "update with `pip install --upgrade dgkd-cache`": "network",
    "`--set X` matches the samples by content; align in [dataset] of dgkd.toml does so for all commands": "another "
    "lab's guides: followed in workspace/test_second_lab.py",
    'run `eval "$(aws configure export-credentials --profile X --format env)"` first': "the AWS tools: followed with a "
    "stand-in for them in stores/sharing/test_credentials.py",
    "set them (docs/sharing.md, Credentials)X": "object storage: followed in stores/sharing/test_object_storage.py and "
    "stores/proofs/test_other_clouds.py",
}
"""Hints that are not followed here, and what that would take."""


def test_every_concrete_hint_is_followed_or_listed() -> None:
    hints = [case.hint for case in (*CASES, *COMMANDS, *SHARING, *ADOPTION, *PRUNING, *CODE)]
    commands = [command for hint in hints for command in re.findall("`dgkd-cache [^`]*`", hint)]
    patterns = [pattern_of(hint) for hint in (*hints, *commands, *ELSEWHERE)]
    found = source_hints()
    left = {text: place for text, place in found.items() if not any(one.fullmatch(text) for one in patterns)}
    concrete = {place: text for text, place in left.items() if CONCRETE.search(text)}
    assert concrete == {}, "give each a case (support/hint_*.py, code_cases.py)"
    assert set(ELSEWHERE) <= set(found)
    assert [hint for hint in hints if not any(pattern_of(hint).search(text) for text in found)] == []
