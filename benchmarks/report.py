"""Renders the tables of docs/performance.md from the JSON files in docs/performance/, so that no figure is typed in.

python -m benchmarks.report                # the page from the committed files
python -m benchmarks.report --take bench   # after taking over the files of a new run
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.result import Result, markdown

__all__ = ["NAMES", "read_results", "render"]

NAMES = (
    "step",
    "draws",
    "stock",
    "loader",
    "busy",
    "allocator",
    "gather",
    "dump",
    "views",
    "augment",
    "stores",
    "factored",
    "transfer",
    "memory",
    "large",
    "decode",
    "files",
    "disk",
    "growth",
    "autotune",
    "startup",
)
"""In the order of the page, and of `make bench`."""

ROOT = Path(__file__).resolve().parent.parent
PAGE, FOLDER = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance"

_TABLE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--take", type=Path, metavar="DIR", help="copy the JSON files of DIR first")
    options = parser.parse_args()
    if options.take is not None:
        FOLDER.mkdir(exist_ok=True)
        for file in sorted(options.take.glob("*.json")):
            Result.from_json(file.read_text(encoding="utf-8"))
            (FOLDER / file.name).write_bytes(file.read_bytes())
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), read_results(FOLDER)), encoding="utf-8")


def read_results(folder: Path) -> dict[str, Result]:
    """The results of a folder by the names of their files: `step.json`, and `step-gpu.json` of another device."""
    return {file.stem: Result.from_json(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}


def render(page: str, results: Mapping[str, Result]) -> str:
    """The page with each table between its two marks made anew; a table without a result says so."""

    def table(found: re.Match[str]) -> str:
        result = results.get(found["name"])
        content = markdown(result) if result else "No run is recorded.\n"
        return f"{found[1]}\n{content}\n{found[3]}"

    return _TABLE.sub(table, page)


if __name__ == "__main__":
    main()
