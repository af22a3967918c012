"""Finds what Python source takes of this project's packages, however it is written, for the rules of the layers."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["PUBLIC", "deep_names", "dynamic_imports", "modules_imported", "packages_imported"]

PUBLIC = ("dgkd_stores", "dgkd_stores.arguments", "dgkd_stores.disk")
"""The modules of the stores that other packages import."""

_IMPORTERS = {"import_module", "__import__"}
_OF_MODULES = {"__all__", "__file__", "__name__"}
_MODULE = re.compile(r"dgkd_(stores|cache|cli)(\.\w+)+")
_CODE = re.compile(r"\b(from|import)\s+dgkd_stores\b")


def packages_imported(source: str) -> set[str]:
    """The top-level packages that are imported anywhere in a source, those of Python left out."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
    return found - sys.stdlib_module_names


def modules_imported(source: str, package: str) -> set[str]:
    """Returns the imports from `package` anywhere in a source, as `package.module` or `package.module.name`.

    Refuses what would hide a module: relative imports, and the package's top level, which offers names of every room.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            own = [alias.name for alias in node.names if alias.name.split(".")[0] == package]
            assert not own, f"import {own[0]}: write `from MODULE import NAME`"
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "modules are named in full"
            if str(node.module).split(".")[0] == package:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dynamic_imports(source: str) -> list[str]:
    """Modules that a source imports by a call with a text, and this project's modules in texts, loggers left out."""
    tree = ast.parse(source)
    found, loggers = list[str](), set[ast.AST]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger":
            loggers |= set(node.args)
        if text := _imported_by_call(node):
            found.append(text)
        elif isinstance(node, ast.Constant) and _MODULE.fullmatch(str(node.value)) and node not in loggers:
            found.append(str(node.value))
    return list(dict.fromkeys(found))


def deep_names(source: str) -> list[str]:
    """Returns what a source outside the stores takes of them that no module in `PUBLIC` offers.

    Looks at every import, at calls that import, at attributes of imported modules, and at Python code in texts.
    """
    return list(_deep_names(ast.parse(source)))


def _deep_names(tree: ast.Module) -> Iterator[str]:
    nodes, modules = list(ast.walk(tree)), dict[str, str]()
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _is_of_stores(alias.name):
                    modules[alias.asname or "dgkd_stores"] = alias.name if alias.asname else "dgkd_stores"
                    if alias.name not in PUBLIC:
                        yield alias.name
        elif isinstance(node, ast.ImportFrom) and _is_of_stores(str(node.module)):
            for alias in node.names:
                if (name := f"{node.module}.{alias.name}") in PUBLIC:
                    modules[alias.asname or alias.name] = name
                elif not _offers(str(node.module), alias.name):
                    yield name
        elif _is_of_stores(text := _imported_by_call(node)):
            yield text
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.search(node.value):
            with suppress(SyntaxError):  # prose
                yield from _deep_names(ast.parse(textwrap.dedent(node.value)))
    for node in nodes:
        if isinstance(node, ast.Attribute) and (module := _module_of(node.value, modules)):
            if f"{module}.{node.attr}" not in PUBLIC and node.attr not in _OF_MODULES:
                if not _offers(module, node.attr):
                    yield f"{module}.{node.attr}"


def _is_of_stores(module: str) -> bool:
    return module.split(".")[0] == "dgkd_stores"


def _imported_by_call(node: ast.AST) -> str:
    """The module that a call such as `import_module("dgkd_stores.disk")` names; empty for anything else."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _IMPORTERS:
        for given in [*node.args[:1], *[word.value for word in node.keywords if word.arg == "name"]]:
            if isinstance(given, ast.Constant):
                return str(given.value)
    return ""


def _module_of(node: ast.expr, modules: dict[str, str]) -> str:
    """The public module that an expression is, given the names of imported ones; empty for anything else."""
    if isinstance(node, ast.Name):
        return modules.get(node.id, "")
    if isinstance(node, ast.Attribute) and (module := _module_of(node.value, modules)):
        return name if (name := f"{module}.{node.attr}") in PUBLIC else ""
    return ""


def _offers(module: str, name: str) -> bool:
    return module in PUBLIC and name in _public_names(module)


@cache
def _public_names(module: str) -> frozenset[str]:
    """The `__all__` of a module; of one without it, the names that it imports as themselves."""
    loaded = importlib.import_module(module)
    if names := getattr(loaded, "__all__", None):
        return frozenset(names)
    tree = ast.parse(Path(str(loaded.__file__)).read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return frozenset(alias.name for node in found for alias in node.names if alias.asname == alias.name)
