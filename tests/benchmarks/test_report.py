"""The page of figures: its tables are what the committed files say, each benchmark has one, and marks are kept."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks.report import FOLDER, NAMES, PAGE, read_results, render
from benchmarks.result import Result, Row

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_committed_files_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render(page, read_results(FOLDER)), "`python -m benchmarks.report` renders it"


def test_every_benchmark_has_its_table_and_every_file_its_place() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in {*NAMES, *read_results(FOLDER)}:
        assert page.count(f"<!-- table: {name} -->") == 1
    assert page.count("<!-- table:") == page.count("<!-- end of table -->")


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_can_be_run(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


def test_only_what_is_between_the_marks_changes() -> None:
    page = "a\n<!-- table: x -->\nold\n<!-- end of table -->\nb\n<!-- table: y -->\nold\n<!-- end of table -->\nc\n"
    row = Row(what="what it is", unit="x", samples=(1.0,))
    result = Result(name="x", title="", command="run it", conditions={}, settings={}, rows=(row,))
    found = render(page, {"x": result})
    before, table, rest = found.partition("<!-- table: x -->\n")
    middle, end, after = rest.partition("<!-- end of table -->")
    assert (before, table, end) == ("a\n", "<!-- table: x -->\n", "<!-- end of table -->")
    assert "what it is" in middle and "run it" in middle and "old" not in middle
    assert after == "\nb\n<!-- table: y -->\n\nNo run is recorded.\n\n<!-- end of table -->\nc\n"
    assert render(found, {"x": result}) == found
