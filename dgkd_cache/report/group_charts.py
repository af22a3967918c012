"""Charts of groups: the accuracy of each along one axis, mean, deviation and single runs, side by side at a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing, text_width
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.rows import WIDE
from dgkd_cache.report.scales import Scale, linear

__all__ = ["GroupChart", "Line", "group_drawing"]

_MOST_APART = 16
"""Pixels between the marks of two groups at one value, where there is room."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A group as it is drawn."""

    label: str
    style: Style
    points: tuple[tuple[str, float], ...]
    """(variant, value) in rising order; a line joins them."""
    beside: str | None = None
    """A variant that has a place of its own beside the axis, which no line joins."""


@dataclass(frozen=True, kw_only=True)
class GroupChart:
    """A chart of groups, for any width."""

    title: str
    label: str
    """The words below the axis."""
    lines: tuple[Line, ...]
    at: Callable[[float], float]
    """The place of a value on the axis, in any unit that rises with it."""
    tick: Callable[[float], str]
    """A value as the axis has it."""
    words: Callable[[float], str]
    """A value as sentences have it."""
    levels: tuple[tuple[str, Style, float], ...] = ()
    """(variant, style, value) of variants that no group has: a point, and a line across the chart at its height."""
    beside: str = ""
    """The words below the place beside the axis."""

    @property
    def variants(self) -> list[str]:
        """All variants that it shows."""
        members = [name for line in self.lines for name, _ in line.points]
        members += [line.beside for line in self.lines if line.beside is not None]
        return [*dict.fromkeys([name for name, _, _ in self.levels] + members)]


def group_drawing(results: Results, chart: GroupChart, width: float) -> Drawing:
    """Returns a chart of groups in a width."""
    height, left, right = (330.0, 46.0, width - 16) if width == WIDE else (310.0, 40.0, width - 10)
    top, bottom = 30.0, height - 46
    top1 = [100 * run.test.top1 for name in chart.variants for run in results.students(name).values()]
    top1 += [100 * end for name in chart.variants for end in results.variants[name].test["top1"].ends]
    y = linear(min(top1), max(top1), bottom, top, count=5)
    drawing = Drawing(width=width, height=height, title=chart.title, text=_in_words(results, chart))
    drawing.y_axis(y, left, right, "accuracy on the test set, %")
    places = _Places(chart, left, right)
    for x in places.at.values():
        drawing.rule(x, top, x, bottom)
    if places.beside is not None:
        drawing.rule(places.cut, top, places.cut, bottom, "row")
        drawing.label(places.beside, bottom + 16, chart.beside, "tick x middle")
    lowest = drawing.tick_labels([(x, chart.tick(value)) for value, x in places.at.items()], bottom + 16)
    drawing.height += lowest - bottom - 16
    drawing.label((min(places.at.values()) + right) / 2, lowest + 18, chart.label, "axis middle")
    _draw_levels(drawing, results, chart, places, y, (left, right))
    for index, line in enumerate(chart.lines):
        points = [(places.of(index, value), y(100 * _mean(results, name))) for name, value in line.points]
        if len(points) > 1:
            drawing.line(points, line.style)
    for index, line in enumerate(chart.lines):
        for name, value in line.points:
            where = f"{line.label}, {chart.words(value)}"
            _draw_point(drawing, results, name, line.style, places.of(index, value), y, places.apart, where)
        if line.beside is not None:
            where = f"{line.label}, {chart.beside}"
            _draw_point(drawing, results, line.beside, line.style, places.of(index, None), y, places.apart, where)
    return drawing


class _Places:
    """The places of values and of groups: a value on the axis, groups side by side around it."""

    def __init__(self, chart: GroupChart, left: float, right: float) -> None:
        values = {value for line in chart.lines for _, value in line.points} | {value for _, _, value in chart.levels}
        self.count = len(chart.lines)
        self.besides = [index for index, line in enumerate(chart.lines) if line.beside is not None]
        room = text_width(chart.beside) / 2 + 8
        self.beside = left + room if self.besides else None
        self.cut = left if self.beside is None else self.beside + room
        units = {value: chart.at(value) for value in sorted(values)}
        # The groups of the first and of the last value need a margin; what that takes brings all values nearer.
        self.apart, margin = 0.0, 10.0
        for _ in range(2):
            self.at = _spread(units, self.cut + margin, right - margin)
            at = [*self.at.values()]
            gap = min((after - before for before, after in zip(at, at[1:], strict=False)), default=right - self.cut)
            self.apart = min(_MOST_APART, 0.8 * gap / self.count)
            margin = 10 + self.apart * (self.count / 2 + len(chart.levels))

    def of(self, index: int, value: float | None) -> float:
        """Returns the place of a group at a value, or beside the axis for None, where only some groups have a point."""
        if value is not None:
            return self.at[value] + self.apart * (index - (self.count - 1) / 2)
        assert self.beside is not None, "a place beside the axis is there if a group has a variant for it"
        return self.beside + self.apart * (self.besides.index(index) - (len(self.besides) - 1) / 2)


def _spread(units: Mapping[float, float], low: float, high: float) -> dict[float, float]:
    """Returns places from `low` to `high` for values with these units; one value alone stands in the middle."""
    first, reach = min(units.values()), max(units.values()) - min(units.values())
    if not reach:
        return dict.fromkeys(units, (low + high) / 2)
    return {value: low + (unit - first) / reach * (high - low) for value, unit in units.items()}


def _draw_levels(
    drawing: Drawing, results: Results, chart: GroupChart, places: _Places, y: Scale, ends: tuple[float, float]
) -> None:
    """Draws what no group has: at its value, left of groups that have a point there."""
    crowded = {value for line in chart.lines for _, value in line.points}
    for index, (name, style, value) in enumerate(chart.levels):
        height = y(100 * _mean(results, name))
        drawing.line([(end, height) for end in ends], style)
        x = places.of(-1 - index, value) if value in crowded else places.at[value] + places.apart * index
        _draw_point(drawing, results, name, style, x, y, places.apart, name)


def _draw_point(
    drawing: Drawing, results: Results, name: str, style: Style, x: float, y: Scale, apart: float, where: str
) -> None:
    one = results.variants[name].test["top1"]
    if one.deviation:
        low, high = (y(100 * end) for end in one.ends)
        drawing.rule(x, low, x, high, f"interval {style.colour}")
    for seed, run in results.students(name).items():
        tip = f"{name}, seed {seed}: {numbers.percent(run.test.top1)}"
        drawing.mark(x + min(7, 0.5 * apart), y(100 * run.test.top1), style, radius=2.2, css="run", tip=tip)
    drawing.mark(x, y(100 * one.mean), style, tip=f"{where}: {numbers.spread(one)}")


def _mean(results: Results, name: str) -> float:
    return results.variants[name].test["top1"].mean


def _in_words(results: Results, chart: GroupChart) -> str:
    """Returns what a screen reader says of a chart."""
    found = [f"{name}: {numbers.spread(results.variants[name].test['top1'])}" for name, _, _ in chart.levels]
    for line in chart.lines:
        points = [(chart.beside, line.beside)] if line.beside is not None else []
        points += [(chart.words(value), name) for name, value in line.points]
        told = (f"{words} {numbers.spread(results.variants[name].test['top1'])}" for words, name in points)
        found.append(f"{line.label}: {', '.join(told)}")
    return "; ".join(found)
