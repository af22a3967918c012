"""Finds public calls whose docstring does not name an error of ours that their source raises.

A call is a public function, or a class or public method of a public class. Its source is its own body and, in the same
file, the private functions, methods and constructors that it uses; the checks of arguments count, wherever they lie. A
docstring names an error in a sentence with "raises": the class or a base of it, or a call that raises the same, as in
"Raises as `GuideStore.open`". Errors that only other files raise are not seen. `make docs` runs this.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["unnamed_errors"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"dgkd_stores": "stores/dgkd_stores", "dgkd_cache": "dgkd_cache"}
_CHECKS = "dgkd_stores.arguments"
_CONSTRUCTORS = ("__init__", "__post_init__")

Place = tuple[str, str]
"""A module, and a name in it: `function`, `Class` or `Class.method`."""


class _Sources:
    """The definitions of both packages, and what each name of a module stands for."""

    def __init__(self, root: Path) -> None:
        self.nodes = dict[Place, ast.FunctionDef | ast.ClassDef]()
        self.imported = dict[Place, Place]()
        for package, folder in PACKAGES.items():
            for path in sorted((root / folder).rglob("*.py*")):
                name = ".".join((package, *path.relative_to(root / folder).with_suffix("").parts))
                if path.suffix in (".py", ".pyi"):
                    self._add(name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8")), package)

    def _add(self, module: str, tree: ast.Module, package: str) -> None:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.nodes[module, node.name] = node
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef):
                    self.nodes[module, f"{node.name}.{part.name}"] = part
            if isinstance(node, ast.ImportFrom):
                source = f"{package}.{node.module}" if node.level else str(node.module)  # only __init__.pyi has levels
                self.imported |= {(module, one.asname or one.name): (source, one.name) for one in node.names}

    def find(self, module: str, name: str) -> Place | None:
        """Returns where a name of a module is defined, if it is in one of the packages."""
        place: Place | None = (module, name)
        while place is not None and place not in self.nodes:
            place = self.imported.get(place)
        return place

    def public(self) -> Iterator[tuple[str, Place]]:
        """Yields the public functions and classes, as `package.Name`, with their places."""
        for module, name in self.imported:
            if module in PACKAGES and (place := self.find(module, name)) and place[0].split(".")[0] == module:
                yield f"{module}.{name}", place

    def kinds(self, place: Place | None) -> list[str]:
        """Returns the names of an error of ours and its bases; none for anything else."""
        node = self.nodes.get(place) if place else None
        if not place or not isinstance(node, ast.ClassDef):
            return []
        bases = [self.kinds(self.find(place[0], base.id)) for base in node.bases if isinstance(base, ast.Name)]
        return [node.name, *sum(bases, [])] if node.name == "DgkdError" or any(bases) else []

    def raised(self, place: Place, seen: set[Place]) -> dict[str, list[str]]:
        """Returns the errors that the source at `place` makes, each with the names by which it may be called."""
        seen.add(place)
        found = dict[str, list[str]]()
        for node in ast.walk(self.nodes[place]):
            used = self._called(place, node.func) if isinstance(node, ast.Call) else None
            if kinds := self.kinds(used):
                found[kinds[0]] = kinds
            elif used and used not in seen and (used[0] == _CHECKS or self._is_private(used, place)):
                for source in self._bodies(used):
                    found |= self.raised(source, seen)
        return found

    def _called(self, place: Place, function: ast.expr) -> Place | None:
        if isinstance(function, ast.Name):
            return self.find(place[0], function.id)
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            own = place[0], f"{place[1].split('.')[0]}.{function.attr}"
            return own if function.value.id in ("self", "cls") and own in self.nodes else None
        return None

    def _is_private(self, used: Place, user: Place) -> bool:
        return used[0] == user[0] and used[1].split(".")[-1].startswith("_")

    def _bodies(self, place: Place) -> list[Place]:
        """Returns the places of what runs when it is called: of a class, its constructors."""
        if isinstance(self.nodes[place], ast.FunctionDef):
            return [place]
        made = [(place[0], f"{place[1]}.{name}") for name in _CONSTRUCTORS]
        return [one for one in made if one in self.nodes]


def unnamed_errors(root: Path = ROOT) -> list[str]:
    """Returns the public calls that do not name an error that they raise, a line each with the errors."""
    sources, missing = _Sources(root), list[str]()
    for path, place in sources.public():
        node = sources.nodes[place]
        if sources.kinds(place):
            continue
        calls = {path: (sources._bodies(place), [node])}
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            where = place[0], f"{place[1]}.{getattr(part, 'name', '')}"
            if isinstance(part, ast.FunctionDef) and part.name in _CONSTRUCTORS:
                calls[path][1].append(part)
            elif isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                calls[f"{path}.{part.name}"] = [where], [part]
        for call, (bodies, described) in calls.items():
            text = " ".join(ast.get_docstring(one) or "" for one in described)
            unnamed = [
                name
                for body in bodies
                for name, kinds in sources.raised(body, set()).items()
                if not _names(text, kinds)
            ]
            if unnamed:
                missing.append(f"{call}: raises {', '.join(sorted(set(unnamed)))}, which its docstring does not name")
    return missing


def _names(text: str, kinds: list[str]) -> bool:
    said = text.partition("aises ")[2]
    return any(kind in said for kind in kinds) or bool(re.search(r"aises (?:as|what) `", text))


if __name__ == "__main__":
    if missing := unnamed_errors():
        sys.exit("\n".join(["public calls that raise errors which their docstrings do not name:", *missing]))
