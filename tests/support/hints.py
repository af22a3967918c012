"""The hints of the program: their texts in the source, and what a user who follows one to the letter writes instead."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for part in ("dgkd_cache", "cli", "stores") for path in (ROOT / part).rglob("*.py"))

CONCRETE = re.compile(r"^(write|set) |`dgkd-cache [^`]*`|(?<![\w-])--[a-z]")
"""A hint that says the very words to write: code, a setting, a command or an option."""


def text_of(node: ast.AST) -> str | None:
    """A string of the source, with X for each part that is only known when it runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else _said(part.value) for part in node.values)
    return None


def _said(value: ast.AST) -> str:
    """X, but the words of a command line that `Workspace.command` or `command_in` makes."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "command_in":
        return f"dgkd-cache {text_of(value.args[1]) or 'X'}"
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "command":
        return f"dgkd-cache {text_of(value.args[0]) or 'X'}"
    return "X"


def source_hints() -> dict[str, str]:
    """Every text of the sources that ends an error as its `do`, with the file and line where it is written.

    Where `do` is a name or a call, the texts are those of that constant, or those that the function returns.
    """
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    named: dict[str, list[tuple[Path, ast.AST]]] = {}
    given: list[tuple[Path, ast.AST]] = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "do":
                given.append((path, node.value))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                (given if name == "do" else named.setdefault(name, [])).append((path, node.value))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                pairs = zip(node.targets[0].elts, getattr(node.value, "elts", ()), strict=False)
                given += [(path, value) for name, value in pairs if ast.unparse(name) == "do"]
            elif isinstance(node, ast.FunctionDef):
                named.setdefault(node.name, []).append((path, node))
    found: dict[str, str] = {}
    for path, node in given:
        for text, place in _texts(path, node, named, depth=3):
            found.setdefault(text, place)
    return found


def _texts(path: Path, node: ast.AST, named: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    if (text := text_of(node)) is not None:
        yield text, f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
    parts = list(ast.iter_child_nodes(node)) if isinstance(node, ast.IfExp | ast.BoolOp | ast.BinOp) else []
    if isinstance(node, ast.IfExp):
        parts.remove(node.test)
    if isinstance(node, ast.JoinedStr):
        parts = [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
    for part in parts:
        yield from _texts(path, part, named, depth)
    called = node.func if isinstance(node, ast.Call) else node
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    if depth and name not in ("do", "join") and _said(node) == "X":
        for where, one in named.get(name, ()):
            for value in _returned(one) if isinstance(one, ast.FunctionDef) else [one]:
                yield from _texts(where, value, named, depth - 1)


@cache
def _returned(function: ast.FunctionDef) -> list[ast.expr]:
    return [one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value]


def pattern_of(hint: str) -> re.Pattern[str]:
    """Returns the form of a hint of the source once it was said: any text for X, any workspace for a command."""
    text = re.escape(hint).replace("X", ".*").replace(r"dgkd\-cache\ ", r"dgkd-cache (?:-w \S+ )?")
    return re.compile(text)


def commands_in(text: str) -> list[str]:
    """The command lines of a message, without the name of the program."""
    return re.findall(r"`dgkd-cache ([^`]*)`", text)


def settings_in(hint: str, table_of: Callable[[str], str]) -> list[tuple[str, str, str]]:
    """The settings that a hint offers, (table, key, value) each; `table_of` a key where the hint names no table."""
    tables = re.findall(r"\[([\w.]+)\]", hint)
    found = re.findall(r"(\w+) = (\"[^\"]*\"|\d+)", hint)
    return [(tables[0] if tables else table_of(key), key, value) for key, value in found]


def expressions_in(hint: str) -> list[str]:
    """The pieces of code that a hint offers, in its order: what stands between `write` and the prose after it."""
    text = re.sub(r"^(write|set|put|give( the DataLoader)?) ", "", hint)
    text = text.partition("for example ")[2] or text
    return [code for part in re.split(r",? or ", text) if (code := _longest(part))]


def words_in(hint: str) -> list[str]:
    """The words that a hint offers in place of one that is wrong: code in backticks, else names, `""` for none."""
    if code := re.findall(r"`([^`]+)`", hint):
        return code
    text = re.sub(r"^(did you mean|try|write( one of them,)?|use the encoding|set reader to) |\?$", "", hint)
    text = text.removeprefix("for example ").removesuffix(" are the nearest")
    words = [
        re.match(r"leave it out|['\"]?([\w:./-]+(\([\d., ]+\))?)", part) for part in re.split(r",? or | and ", text)
    ]
    return [word[1] or "" for word in words if word]


def _longest(text: str) -> str:
    """The longest beginning of the text that can stand between the brackets of a call."""
    ends = [match.start() for match in re.finditer(r" |$", text)]
    for end in reversed(ends):
        code = text[:end].rstrip(",")
        try:
            ast.parse(f"f({code})", mode="eval")
        except SyntaxError:
            continue
        return code
    return ""


def rewritten(program: str, code: str, argument: str) -> str:
    """The user's call with the code of a hint in it.

    `key=value` goes in as these arguments, a call of the same function takes the place of the call, and anything else
    that of the `argument` which the message names.
    """
    call = ast.parse(program, mode="eval").body
    offered = ast.parse(f"f({code})", mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(offered, ast.Call)
    new = copy.deepcopy(call)
    if offered.keywords:
        for keyword in offered.keywords:
            new.keywords = [one for one in new.keywords if one.arg != keyword.arg] + [keyword]
    elif (value := offered.args[0]) and isinstance(value, ast.Call) and _name(value.func) == _name(call.func):
        new.args, new.keywords = value.args, value.keywords
    else:
        places = [one for one in new.keywords if one.arg == argument]
        assert places, f"{program} names no argument {argument!r}"
        places[0].value = value
    return ast.unparse(new)


def _name(function: ast.AST) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
