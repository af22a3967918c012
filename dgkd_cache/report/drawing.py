"""A drawing: shapes and texts at positions in CSS pixels, which a template writes as SVG.

Nothing here knows what is drawn. Texts are data and are escaped by the template; a text that does not fit is shortened,
and is whole in its tooltip.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dgkd_cache.report.palette import Style, marker
from dgkd_cache.report.scales import Scale, tick_text

__all__ = ["SIZE", "Drawing", "Item", "shortened", "text_width"]

Point = tuple[float, float]

SIZE = 12
"""The size of texts in pixels."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One element of a drawing: `kind` is what the template writes, `css` its classes."""

    kind: str
    css: str = ""
    x: float = 0.0
    y: float = 0.0
    x2: float = 0.0
    y2: float = 0.0
    points: tuple[tuple[float, float], ...] = ()
    path: str = ""
    text: str = ""
    tip: str = ""
    dash: str = ""
    clipped: bool = False


@dataclass(kw_only=True)
class Drawing:
    """A drawing of a size, with what a screen reader says of it."""

    width: float
    height: float
    title: str
    text: str
    items: list[Item] = field(default_factory=list)
    clip: tuple[float, float, float, float] | None = None
    """x, y, width and height of the part in which `clipped` items are seen."""

    def rule(self, x: float, y: float, x2: float, y2: float, css: str = "grid") -> None:
        """Adds a straight line."""
        self.items.append(Item(kind="rule", css=css, x=x, y=y, x2=x2, y2=y2))

    def label(self, x: float, y: float, text: str, css: str = "", *, room: float | None = None) -> None:
        """Adds a text at its baseline; css has `end` or `middle` for its anchor. `room` is its largest width."""
        shown = text if room is None else shortened(text, room)
        self.items.append(Item(kind="text", css=css, x=x, y=y, text=shown, tip=text if shown != text else ""))

    def line(
        self, points: Sequence[tuple[float, float]], style: Style, *, css: str = "", clipped: bool = False
    ) -> None:
        """Adds a line through points, in the colour and pattern of a variant."""
        css = f"curve {style.colour} {css}".strip()
        self.items.append(Item(kind="line", css=css, points=tuple(points), dash=style.dash, clipped=clipped))

    def area(self, points: Sequence[Point], css: str, *, clipped: bool = False) -> None:
        """Adds a filled polygon."""
        self.items.append(Item(kind="area", css=css, points=tuple(points), clipped=clipped))

    def box(self, x: float, y: float, x2: float, y2: float, css: str, tip: str = "") -> None:
        """Adds a rectangle between two corners."""
        self.items.append(
            Item(kind="box", css=css, x=min(x, x2), y=min(y, y2), x2=abs(x2 - x), y2=abs(y2 - y), tip=tip)
        )

    def mark(self, x: float, y: float, style: Style, *, radius: float = 4.5, css: str = "", tip: str = "") -> None:
        """Adds the marker of a variant."""
        css = f"mark {style.colour} {css}".strip()
        self.items.append(Item(kind="mark", css=css, x=x, y=y, path=marker(style.shape, radius), tip=tip))

    def path(self, d: str, css: str, tip: str = "") -> None:
        """Adds an SVG path."""
        self.items.append(Item(kind="path", css=css, path=d, tip=tip))

    def x_axis(self, scale: Scale, top: float, bottom: float, label: str) -> None:
        """Adds grid lines and ticks below, and the axis label under them."""
        for value in scale.ticks:
            self.rule(scale(value), top, scale(value), bottom)
            self.label(scale(value), bottom + 16, tick_text(value), "tick x middle")
        self.label((scale.start + scale.end) / 2, bottom + 34, label, "axis middle")

    def tick_labels(self, places: Iterable[tuple[float, str]], y: float) -> float:
        """Adds texts below ticks, given from left to right, and returns the lowest baseline.

        One that has no room at the baseline `y` stands in a second line; one that has none there is left out.
        """
        ends, lowest = {y: -100.0, y + 13: -100.0}, y
        for x, text in places:
            half = text_width(text) / 2
            for line, end in ends.items():
                if x - half >= end + 4:
                    self.label(x, line, text, "tick x middle")
                    ends[line], lowest = x + half, max(lowest, line)
                    break
        return lowest

    def y_axis(self, scale: Scale, left: float, right: float, label: str) -> None:
        """Adds grid lines and ticks on the left, and the axis label above them."""
        for value in scale.ticks:
            self.rule(left, scale(value), right, scale(value))
            self.label(left - 6, scale(value) + 4, tick_text(value), "tick y end")
        if label:
            self.label(2, scale.end - 10, label, "axis")


def text_width(text: str, size: float = SIZE) -> float:
    """Returns the estimated width of a text in pixels; East Asian letters are wide."""
    return size * sum(1.02 if unicodedata.east_asian_width(letter) in "WF" else 0.57 for letter in text)


def shortened(text: str, room: float, size: float = SIZE) -> str:
    """Returns a text that fits into `room` pixels, with an ellipsis if it is cut."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…"
