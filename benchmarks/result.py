"""The result of a benchmark: rows with their samples, and the conditions. As JSON, as text and as Markdown.

A row keeps every sample, so that its figures can be made again from the file; what is shown is computed from them.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from benchmarks.spread import Bar, median_interval, quantile, verdict

__all__ = ["Result", "Row", "Side", "markdown", "text"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One thing that was measured in the rounds of a row: its median, in seconds or another unit."""

    name: str
    median: float
    unit: str = "s"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One finding: a figure a round, what it was made of, its floor and its bar.

    `unit` is "x" for a ratio of two sides. `floor` is the best that arithmetic or bytes allow (`floor_is` says what),
    None where there is none; `higher_is_better` tells on which side of it a figure falls short. `processor` has the
    figures of the same rounds by processor time, none where they would say nothing.
    """

    what: str
    unit: str
    samples: tuple[float, ...]
    processor: tuple[float, ...] = ()
    sides: tuple[Side, ...] = ()
    floor: float | None = None
    floor_is: str = ""
    higher_is_better: bool = True
    bar: Bar | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def distance(self) -> float | None:
        """The share of the floor by which the median falls short of it; negative where it is past it."""
        if not self.floor:
            return None
        share = self.median / self.floor
        return 1 - share if self.higher_is_better else share - 1

    def to_json(self) -> dict[str, Any]:
        """With the figures that follow from the samples, for whoever reads only those."""
        interval = median_interval(self.samples)
        return {
            **asdict(self),
            "n": len(self.samples),
            "median": _short(self.median),
            "interval": [_short(interval.low), _short(interval.high)],
            "coverage": round(interval.coverage, 4),
            "p10": _short(quantile(self.samples, 0.1)),
            "p90": _short(quantile(self.samples, 0.9)),
            "distance": None if self.distance is None else _short(self.distance),
            "verdict": verdict(self.samples, self.bar) if self.bar else None,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            what=record["what"],
            unit=record["unit"],
            samples=tuple(record["samples"]),
            processor=tuple(record.get("processor", ())),
            sides=tuple(Side(**side) for side in record["sides"]),
            floor=record["floor"],
            floor_is=record["floor_is"],
            higher_is_better=record["higher_is_better"],
            bar=Bar(**record["bar"]) if record["bar"] else None,
        )


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that one run of a benchmark has to say; `conditions` and `settings` are flat, `notes` are sentences."""

    name: str
    title: str
    command: str
    conditions: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Indented by one space, an array of numbers on one line."""
        record = {**asdict(self), "rows": [row.to_json() for row in self.rows]}
        content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", content)

    @classmethod
    def from_json(cls, content: str) -> Self:
        record = json.loads(content)
        rows = tuple(Row.from_json(row) for row in record["rows"])
        return cls(**{**record, "rows": rows, "notes": tuple(record["notes"])})


_NUMBERS = re.compile(r'\[\n([^\[\]{}"]+)\n *\]')
"""An array of numbers over several lines; never part of a string, in which JSON has no line end."""

_HEAD = (
    "measured",
    "sides (median)",
    "median",
    "95 % interval",
    "p10 to p90",
    "n",
    "floor",
    "distance",
    "bar",
    "",
    "by processor time",
)


def text(result: Result) -> str:
    """For a terminal: conditions, then a block of lines a row."""
    lines = [result.title, "  " + conditions_line(result), "  " + settings_line(result)]
    for row in result.rows:
        what, sides, *figures = _cells(row)
        lines.append(f"\n{what}: {sides}")
        lines.append("  " + " · ".join(f"{head} {cell}".strip() for head, cell in zip(_HEAD[2:], figures, strict=True)))
    lines += [f"\n{note}" for note in result.notes]
    return "\n".join(lines)


def markdown(result: Result) -> str:
    """For the page: conditions, a table, notes."""
    lines = [f"`{result.command}`: {conditions_line(result)}. {settings_line(result)}.", ""]
    lines += ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in result.rows]
    lines += ["", *(f"- {note}" for note in result.notes)] if result.notes else []
    return "\n".join(lines) + "\n"


def conditions_line(result: Result) -> str:
    return ", ".join(f"{key} {value}" for key, value in result.conditions.items())


def settings_line(result: Result) -> str:
    return "Settings: " + ", ".join(f"{key} {value}" for key, value in result.settings.items())


def _cells(row: Row) -> Sequence[str]:
    interval = median_interval(row.samples)
    weak = "" if interval.coverage >= 0.95 else f" ({interval.coverage:.0%})"
    several = len(row.samples) > 1
    return (
        row.what,
        ", ".join(f"{side.name} {figure(side.median, side.unit)}" for side in row.sides),
        figure(row.median, row.unit),
        f"{figure(interval.low, row.unit)} to {figure(interval.high, row.unit)}{weak}" if several else "-",
        f"{figure(quantile(row.samples, 0.1), row.unit)} to {figure(quantile(row.samples, 0.9), row.unit)}"
        if several
        else "-",
        str(len(row.samples)),
        "-" if row.floor is None else f"{figure(row.floor, row.unit)} ({row.floor_is})",
        "-" if row.distance is None else f"{100 * row.distance:.1f} %",
        f"{'≥' if row.bar.kind == 'at least' else '≤'} {figure(row.bar.limit, row.unit)}" if row.bar else "-",
        f"**{verdict(row.samples, row.bar)}**" if row.bar else "",
        _by_processor(row),
    )


def _by_processor(row: Row) -> str:
    """Median, interval and verdict of the same rounds by processor time."""
    if len(row.processor) < 2:
        return figure(row.processor[0], row.unit) if row.processor else "-"
    interval = median_interval(row.processor)
    low, high = figure(interval.low, row.unit), figure(interval.high, row.unit)
    judged = f" **{verdict(row.processor, row.bar)}**" if row.bar else ""
    return f"{figure(statistics.median(row.processor), row.unit)} ({low} to {high}){judged}"


def figure(value: float, unit: str) -> str:
    """A number as a person reads it: seconds in the unit that fits, ratios to three digits."""
    if unit == "s":
        for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if abs(value) >= scale:
                return f"{_digits(value / scale)} {name}"
        return f"{_digits(value / 1e-6)} us"
    return _digits(value) if unit == "x" else f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    """Three significant digits; four between 0.9 and 2, where bars are close."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    decimals = 3 if 0.9 <= size < 2 else 2 if size < 10 else 1 if size < 100 else 0
    return f"{value:,.{decimals}f}"


def _short(value: float) -> float:
    return float(f"{value:.5g}")
