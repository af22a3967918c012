"""Figures: drawings, a caption, and the table of their data; and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.palette import Style

__all__ = ["Cell", "Figure", "Panel", "Table", "row", "table"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table: its text, and a class for what is no number or stands out."""

    text: str
    css: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: the first cell of each row is its header."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: frozenset[int] = frozenset()
    """The columns that hold words; all others hold numbers and stand at the right."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One small drawing of several that share their scales, under the names of what it shows."""

    names: tuple[tuple[str, Style | None], ...]
    note: str
    drawing: Drawing


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure: one drawing for wide and one for narrow pages, or panels; a caption; the table of its data."""

    key: str
    caption: str
    table: Table
    wide: Drawing | None = None
    narrow: Drawing | None = None
    panels: tuple[Panel, ...] = ()
    legend: tuple[tuple[str, Style], ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    """Marks other than those of the legend, as (css, meaning)."""

    @property
    def drawings(self) -> list[Drawing]:
        """All drawings of the figure."""
        return [one for one in (self.wide, self.narrow, *(panel.drawing for panel in self.panels)) if one]


def row(*texts: str | Cell) -> tuple[Cell, ...]:
    """Returns a row of a table."""
    return tuple(text if isinstance(text, Cell) else Cell(text=text) for text in texts)


def table(caption: str, head: Sequence[str], rows: Sequence[tuple[Cell, ...]], *, words: Sequence[int] = (0,)) -> Table:
    """Returns a table; `words` are the columns that hold words."""
    return Table(caption=caption, head=tuple(head), rows=tuple(rows), words=frozenset(words))
