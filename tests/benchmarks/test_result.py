"""A result as JSON: any reader of JSON gets every value back, and an array of numbers is one line."""

from __future__ import annotations

import json

from benchmarks.report import FOLDER
from benchmarks.result import Result, Row
from benchmarks.spread import Bar


def test_an_array_of_numbers_is_one_line_and_text_is_left_as_it_is() -> None:
    row = Row(what='[\n1,\n2\n] and "[ 3 ]"', unit="x", samples=(1.5, -2e-05, 3.0), bar=Bar(kind="at least", limit=1.0))
    result = Result(
        name="x", title="", command="", conditions={}, settings={}, rows=(row,), notes=("[\n 1,\n 2\n]", "second")
    )
    written = result.to_json()
    assert '   "samples": [1.5, -2e-05, 3.0],\n   "processor": [],\n' in written
    read = json.loads(written)
    assert read["rows"][0]["what"] == row.what and read["rows"][0]["samples"] == [1.5, -2e-05, 3.0]
    assert read["notes"] == list(result.notes)
    assert Result.from_json(written) == result


def test_the_committed_files_are_as_they_are_written_today() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert len(files) > 5
    for file in files:
        content = file.read_text(encoding="utf-8")
        assert content == Result.from_json(content).to_json(), file.name
