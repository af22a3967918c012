"""Charts of rows: a name each, and marks along one scale. On a narrow page the name stands above its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dgkd_cache.report.drawing import Drawing, text_width
from dgkd_cache.report.scales import Scale, linear

__all__ = ["NARROW", "WIDE", "Rows", "rows_of"]

WIDE, NARROW = 880, 340
"""The widths in which a chart is drawn: for a laptop and for a phone."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A chart of rows that is begun: where each row and each value lies."""

    drawing: Drawing
    scale: Scale
    at: tuple[float, ...]
    """The y of each row."""


def rows_of(
    names: Sequence[str],
    values: Sequence[float],
    *,
    width: float,
    label: str,
    title: str,
    text: str,
    column: float = 0,
    narrow: bool | None = None,
    gap: float = 0,
    most_room: float = 220,
) -> Rows:
    """Returns a chart with a row for each name and a scale that holds all values.

    `column` pixels stay free at the right, `gap` makes rows higher, and `most_room` limits the names beside their rows.
    """
    above = width < 500 if narrow is None else narrow
    room = 0.0 if above else min(most_room, 14 + max((text_width(name) for name in names), default=0))
    height, first = (42 + gap, 30.0) if above else (26 + gap, 18.0)
    bottom = first + height * len(names) - height / 2 + 4
    scale = linear(
        min(values), max(values), room + 8, width - column - 14, count=max(3, int((width - room - column) / 90))
    )
    drawing = Drawing(width=width, height=bottom + 42, title=title, text=text)
    drawing.x_axis(scale, 6, bottom, label)
    at = tuple(first + height * index for index in range(len(names)))
    for name, y in zip(names, at, strict=True):
        if above:
            drawing.label(2, y - 13, name, "name", room=width - 4)
        else:
            drawing.label(room, y + 4, name, "name end", room=room)
        drawing.rule(scale.start, y, scale.end, y, "row")
    return Rows(drawing=drawing, scale=scale, at=at)
