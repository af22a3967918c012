"""Tables and figures as data."""

from __future__ import annotations

from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Cell, Figure, Panel, row, table


def test_a_row_takes_texts_and_cells() -> None:
    assert row("a", Cell(text="b", css="code")) == (Cell(text="a"), Cell(text="b", css="code"))


def test_a_figure_has_all_its_drawings() -> None:
    one, other, third = (Drawing(width=1, height=1, title=name, text="") for name in "abc")
    data = table("numbers", ["name", "value"], [row("a", "1")])
    figure = Figure(
        key="k", caption="", table=data, wide=one, narrow=other, panels=(Panel(names=(), note="", drawing=third),)
    )
    assert [drawing.title for drawing in figure.drawings] == ["a", "b", "c"]
    assert data.words == {0} and data.head == ("name", "value")
