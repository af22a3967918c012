"""Charts of rows: names beside or above their rows, and a scale that holds all values."""

from __future__ import annotations

import pytest
from support.markup import Reading, read_svg, text_of

from dgkd_cache.report.rows import NARROW, WIDE, rows_of


def test_names_stand_beside_rows_or_above_them() -> None:
    for width, above in ((WIDE, False), (NARROW, True)):
        chart = rows_of(["kd", "a" * 200], [1.0, 3.0], width=width, label="points", title="", text="")
        svg = read_svg(chart.drawing)
        names = [one for one in svg.iter("text") if "name" in one.attrib["class"]]
        for name, y in zip(names, chart.at, strict=True):
            assert (float(name.attrib["y"]) < y - 8) == above
            assert ("end" in name.attrib["class"]) != above
        assert text_of(next(names[1].iter("title"))) == "a" * 200
        assert chart.scale.low <= 1 < 3 <= chart.scale.high and chart.scale.end <= width
        assert Reading(svg).x(chart.scale(2.0)) == pytest.approx(2.0, abs=1e-3)
        assert len({*chart.at}) == 2 and max(chart.at) < chart.drawing.height - 40


def test_a_column_at_the_right_stays_free() -> None:
    chart = rows_of(["a"], [0.0, 1.0], width=WIDE, label="", title="", text="", column=200)
    assert chart.scale.end <= WIDE - 200
