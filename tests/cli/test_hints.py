"""Each command and option that a message, a help text or the README mentions exists."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.hints import ROOT, SOURCES, source_hints, text_of
from torch.distributed import run as torchrun

from dgkd_cli.main import main

PAGES = sorted([ROOT / "README.md", *ROOT.glob("CONTRIBUTING.md"), *(ROOT / "docs").rglob("*.md")])

QUOTED = re.compile(r"`(dgkd-cache [^`]*)`")
AT_LINE_START = re.compile(r"^[ \t]*(?:\$ )?(dgkd-cache [^\n]*)$", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


def commands_of(path: Path) -> Iterator[str]:
    """Every `dgkd-cache ...` of a file."""
    source = path.read_text(encoding="utf-8")
    texts = [source]
    if path.suffix != ".md":
        if "dgkd-cache " not in source and ".command(" not in source:
            return
        nodes = list(ast.walk(ast.parse(source)))
        parts = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        texts = [text for node in nodes if node not in parts and (text := text_of(node))]
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                if node.func.attr == "command" and (words := text_of(node.args[0])):
                    yield f"dgkd-cache {words}"
    for text in texts:
        yield from QUOTED.findall(text)
        yield from AT_LINE_START.findall(text)


def check(text: str) -> None:
    """Parse the words as click would, down to the verb's own options."""
    words = shlex.split(text, comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words  # the shell takes the rest
    group: click.Command = main
    while True:
        context = click.Context(group)
        values, rest, _ = group.make_parser(context).parse_args(words)
        if not isinstance(group, click.Group):
            assert not rest, f"{text}: {rest} is more than {group.name} takes"
            return
        if not rest:
            assert values, f"{text}: no verb"
            return
        if rest == ["X"]:
            return  # a verb that is only known when it runs; its words are checked where they are written
        found = group.get_command(context, rest[0])
        assert found is not None, f"{text}: no verb {rest[0]!r}"
        group, words = found, rest[1:]


FOUND = {path: found for path in [*SOURCES, *PAGES] if (found := list(commands_of(path)))}


@pytest.mark.parametrize("path", FOUND, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(path: Path) -> None:
    for text in FOUND[path]:
        check(text)


def test_every_command_that_a_hint_names_is_parsed() -> None:
    parsed = {text for path in FOUND for text in FOUND[path]}
    command = re.compile(rf"dgkd-cache (?:-|(?:X|{'|'.join(main.commands)})\b)")
    named = {text: place for text, place in source_hints().items() if command.search(text)}
    assert len(named) > 20
    for text, place in named.items():
        commands = QUOTED.findall(text)
        assert len(commands) == len(command.findall(text)), f"{place}: a command stands in backticks"
        assert set(commands) <= parsed, place


def test_the_check_can_fail() -> None:
    for wrong in (
        "dgkd-cache rum",
        "dgkd-cache dump --modle ta1",
        "dgkd-cache run ta1",
        "dgkd-cache dump --model",
    ):
        with pytest.raises((AssertionError, click.UsageError)):
            check(wrong)
    check("dgkd-cache -w X dump --model ta1 --shard 0/4  # a comment")


def test_commands_are_found_in_sources() -> None:
    found = {text for path in SOURCES for text in FOUND.get(path, ())}
    assert "dgkd-cache dump --model X" in found
    assert len(found) > 20


def test_options_that_hints_mention_exist() -> None:
    parameters = [one for verb in (main, *main.commands.values()) for one in verb.params]
    known = {name for one in parameters for name in (*one.opts, *one.secondary_opts)}
    known |= {"--help", "--version"}
    mentioned = set()
    torchruns = set(OPTION.findall(torchrun.get_args_parser().format_help()))
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.keyword) or node.arg != "do":
                continue
            joined = [one for one in ast.walk(node.value) if isinstance(one, ast.JoinedStr)]
            pieces = {piece for one in joined for piece in one.values}  # they are read as one text
            for part in set(ast.walk(node.value)) - pieces:
                text = re.sub(r"`?(pip|ulimit|ln|eval) [^`]*`?", "", text_of(part) or "")
                there = known | torchruns if "torchrun" in text else known
                assert set(OPTION.findall(text)) <= there, f"{path.name}: {text}"
                mentioned |= set(OPTION.findall(text))
    assert len(mentioned) > 10


def test_each_verb_has_examples() -> None:
    for name, verb in main.commands.items():
        examples = AT_LINE_START.findall(verb.help or "")
        assert examples, name
        assert all(re.search(rf"\b{name}\b", example) for example in examples), name
