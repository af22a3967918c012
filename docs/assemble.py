"""Gathers the sources of the documentation site in build/docs, and refuses a public name without a full entry.

The pages are read on GitHub too, so they link to files of the repository: the format beside the stores, the examples.
In the site they have pages, and the links lead there. `make docs` runs this, then Zensical.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

import griffe

__all__ = ["assemble", "entries", "gaps", "public_names"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"dgkd_stores": "stores/dgkd_stores", "dgkd_cache": "dgkd_cache"}
_LANGUAGES = {".py": "python", ".sbatch": "bash"}


def assemble(target: Path, root: Path = ROOT) -> None:
    """Writes the site's sources to `target`, which is replaced."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(root / "docs", target, ignore=shutil.ignore_patterns("*.py", "__pycache__", "performance"))
    shutil.copy(root / "stores" / "FORMAT.md", target / "format.md")
    for page in target.rglob("*.md"):
        page.write_text(_site_links(page.read_text(encoding="utf-8")), encoding="utf-8")
    programs = [path for path in sorted((root / "examples").iterdir()) if path.suffix in _LANGUAGES]
    parts = ["# Examples", "The files of `examples/`. The Python programs run in the test suite."]
    for path in programs:
        parts += [f"## {path.name}", f"```{_LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8')}```"]
    (target / "examples.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


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
    """Returns what public names lack, a line each: a docstring, an entry in docs/api, an example under the entry."""
    found, missing = entries(root), list[str]()
    for package, names in public_names(root).items():
        loaded = griffe.load(package, search_paths=[str(root), str(root / "stores")], resolve_aliases=True)
        for name in names:
            path = f"{package}.{name}"
            examples = re.findall(r"^```pycon\n(.*?)^```$", found.get(path, ""), flags=re.DOTALL | re.MULTILINE)
            if not loaded[name].docstring:
                missing.append(f"{path}: no docstring")
            if path not in found:
                missing.append(f"{path}: no entry `::: {path}` in docs/api/")
            elif not any(re.search(rf"(>>>|\.\.\.) .*\b{name}\b", example) for example in examples):
                missing.append(f"{path}: no example (a block `pycon` that uses the name) under its entry")
    return missing


def _site_links(text: str) -> str:
    text = re.sub(r"\]\((?:\.\./)+stores/FORMAT\.md", "](format.md", text)
    return re.sub(r"\]\((?:\.\./)+examples/(\w+)\.(\w+)\)", r"](examples.md#\1\2)", text)


if __name__ == "__main__":
    if missing := gaps():
        sys.exit("\n".join(["public names that docs/api/ does not describe in full:", *missing]))
    assemble(ROOT / "build" / "docs")
