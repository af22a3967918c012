"""Finds what the public names of both packages lack: docstrings, of their members too, entries in docs/api, examples.

`make docs` runs this before the site is built, for the site leaves out in silence what it finds no entry for.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe

__all__ = ["PACKAGES", "entries", "gaps", "public_names"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"dgkd_stores": "stores/dgkd_stores", "dgkd_cache": "dgkd_cache"}

_NOT_OURS = {"model_config"}  # pydantic's own setting


def public_names(root: Path = ROOT) -> dict[str, list[str]]:
    """Returns the public names of each package, as its `__init__.pyi` lists them; names of dgkd_stores only there."""
    names: dict[str, list[str]] = {}
    for package, folder in PACKAGES.items():
        stub = ast.parse((root / folder / "__init__.pyi").read_text(encoding="utf-8"))
        imported = [one.name for node in stub.body if isinstance(node, ast.ImportFrom) for one in node.names]
        names[package] = [name for name in imported if name not in names.get("dgkd_stores", ())]
    return names


def entries(root: Path = ROOT) -> dict[str, str]:
    """Returns for each name with an entry (`::: package.Name`) in docs/api the text that follows it."""
    found: dict[str, str] = {}
    for page in sorted((root / "docs" / "api").glob("*.md")):
        _, *parts = re.split(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found |= dict(zip(parts[::2], parts[1::2], strict=True))
    return found


def gaps(root: Path = ROOT) -> list[str]:
    """Returns what public names lack, a line each: a docstring, an entry in docs/api, an example under the entry.

    A public method, property or attribute of a public class has a docstring, its own or that of what it overrides. One
    of a base without an entry is shown with the class, which the option `inherited_members` of the class's entry does.
    """
    found, missing = entries(root), list[str]()
    loader = griffe.GriffeLoader(search_paths=[root, root / "stores"])
    loaded = {package: loader.load(package, try_relative_path=False) for package in PACKAGES}
    loader.resolve_aliases()
    for package, names in public_names(root).items():
        for name in names:
            path = f"{package}.{name}"
            described, entry = loaded[package][name], found.get(path, "")
            target = described.final_target if isinstance(described, griffe.Alias) else described
            examples = re.findall(r"^```pycon\n(.*?)^```$", entry, flags=re.DOTALL | re.MULTILINE)
            if not _is_described(target):
                missing.append(f"{path}: no docstring")
            if path not in found:
                missing.append(f"{path}: no entry `::: {path}` in docs/api/")
            elif not any(re.search(rf"(>>>|\.\.\.) .*\b{name}\b", example) for example in examples):
                missing.append(f"{path}: no example (a block `pycon` that uses the name) under its entry")
            if isinstance(target, griffe.Class):
                missing += [f"{path}.{lack}" for lack in _lacking_members(target, entry, found)]
    return missing


def _lacking_members(described: griffe.Class, entry: str, found: dict[str, str]) -> Iterator[str]:
    """Yields what the public members of a class lack, with their names."""
    for name in sorted((described.members.keys() | _set_by_methods(described)) - _NOT_OURS):
        lines = [one.members[name] for one in (described, *described.mro()) if name in one.members]
        if not name.startswith("_") and not any(map(_is_described, lines)):
            yield f"{name}: no docstring"
    for base in described.mro():
        if f"{base.path.split('.')[0]}.{base.name}" in found:
            continue
        for name in (name for name in base.members if not name.startswith("_") and name not in described.members):
            if not _is_described(base.members[name]):
                yield f"{name}: no docstring"
            if "inherited_members: true" not in entry:
                yield f"{name}: its base has no entry, so its own needs the option `inherited_members: true`"


def _is_described(thing: griffe.Object | griffe.Alias) -> bool:
    return thing.docstring is not None and bool(thing.docstring.value.strip())


@cache
def _classes(source: Path) -> dict[str, ast.ClassDef]:
    body = ast.parse(source.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def _set_by_methods(described: griffe.Class) -> set[str]:
    """Returns the public attributes that the methods assign; griffe does not see those of `self.a, self.b = ...`."""
    assert isinstance(described.filepath, Path)
    nodes = ast.walk(_classes(described.filepath)[described.name])
    stored = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {node.attr for node in stored if isinstance(node.value, ast.Name) and node.value.id == "self"}


if __name__ == "__main__":
    if missing := gaps():
        sys.exit("\n".join(["public names that the docstrings and docs/api/ do not describe in full:", *missing]))
