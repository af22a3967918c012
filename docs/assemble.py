"""Gathers the sources of the documentation site in build/docs.

The pages are read on GitHub too, so they link to files of the repository: the format beside the stores, the examples.
In the site they have pages, and the links lead there. `make docs` runs this, then Zensical.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

__all__ = ["assemble"]

ROOT = Path(__file__).resolve().parent.parent
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


def _site_links(text: str) -> str:
    text = re.sub(r"\]\((?:\.\./)+stores/FORMAT\.md", "](format.md", text)
    return re.sub(r"\]\((?:\.\./)+examples/(\w+)\.(\w+)\)", r"](examples.md#\1\2)", text)


if __name__ == "__main__":
    assemble(ROOT / "build" / "docs")
