"""Accuracy by class: each variant's paired difference from the reference, mean and range over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Figure, Panel, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.rows import rows_of

__all__ = ["ClassDifference", "class_differences", "classes_figure"]

MOST_SHOWN = 20
"""More classes than these are not all drawn: those with the largest differences are."""
_MOST_CELLS = 3000
"""More rows than these are left out of the table, for the size of the page."""
_WIDTH = 290


@dataclass(frozen=True, kw_only=True)
class ClassDifference:
    """The difference in accuracy on one class, variant - reference, over the seeds that both have."""

    index: int
    mean: float
    low: float
    high: float
    reference: float


def class_differences(results: Results, variant: str) -> list[ClassDifference]:
    """Returns the differences of a variant from the reference by class; a class without test samples is left out."""
    mine, theirs = results.students(variant), results.students(results.reference)
    seeds = [seed for seed in mine if seed in theirs]
    if not seeds:
        return []
    found = []
    for index in range(min(len(runs[seed].test.class_accuracy) for runs in (mine, theirs) for seed in seeds)):
        pairs = [(mine[seed].test.class_accuracy[index], theirs[seed].test.class_accuracy[index]) for seed in seeds]
        known = [(own, other) for own, other in pairs if own is not None and other is not None]
        if known:
            differences = [own - other for own, other in known]
            found.append(
                ClassDifference(
                    index=index,
                    mean=float(np.mean(differences)),
                    low=min(differences),
                    high=max(differences),
                    reference=float(np.mean([other for _, other in known])),
                )
            )
    return found


def classes_figure(results: Results, style: Mapping[str, Style]) -> Figure | None:
    """Returns a panel for each variant; None without a finished run of the reference beside one of a variant."""
    if results.reference not in results.shown:
        return None
    found = {name: class_differences(results, name) for name in results.shown if name != results.reference}
    found = {name: ones for name, ones in found.items() if ones}
    if not found:
        return None
    some = any(len(ones) > MOST_SHOWN for ones in found.values())
    drawn = {name: _drawn(ones) for name, ones in found.items()}
    listed = drawn if sum(map(len, found.values())) > _MOST_CELLS else found
    values = [0.0, *(100 * value for ones in drawn.values() for one in ones for value in (one.low, one.high))]
    rows = [
        row(name, results.class_name(one.index), numbers.percent(one.reference), *_words(one))
        for name, ones in listed.items()
        for one in ones
    ]
    head = ["variant", "class", f"accuracy of {results.reference}", "mean difference", "lowest seed", "highest seed"]
    return Figure(
        key="classes",
        caption=f"Accuracy by class on the test set, difference from {results.reference} in percentage points: mean, "
        "and range from the lowest to the highest seed. Exploratory: no test is made for a class."
        + (
            f" Of more than {MOST_SHOWN} classes the {MOST_SHOWN} with the largest differences are drawn."
            if some
            else ""
        )
        + (" The table has the same; results.json has all." if listed is drawn and some else ""),
        panels=tuple(
            Panel(names=((name, style[name]),), note="", drawing=_panel(results, name, ones, style[name], values))
            for name, ones in drawn.items()
        ),
        table=table(f"Accuracy by class, differences from {results.reference} in points", head, rows, words=(0, 1)),
    )


def _drawn(ones: Sequence[ClassDifference]) -> list[ClassDifference]:
    largest = sorted(ones, key=lambda one: -abs(one.mean))[:MOST_SHOWN]
    return sorted(largest, key=lambda one: one.index)


def _words(one: ClassDifference) -> list[str]:
    return [numbers.points(value) for value in (one.mean, one.low, one.high)]


def _panel(
    results: Results, name: str, ones: Sequence[ClassDifference], style: Style, values: Sequence[float]
) -> Drawing:
    best, worst = (choose(ones, key=lambda one: one.mean) for choose in (max, min))
    words = [f"{results.class_name(one.index)} {numbers.points(one.mean)}" for one in (best, worst)]
    chart = rows_of(
        [results.class_name(one.index) for one in ones],
        values,
        width=_WIDTH,
        label="points",
        title=f"{name} by class",
        text=f"Highest difference: {words[0]}; lowest: {words[1]} points.",
        narrow=False,
        gap=-8,
        most_room=100,
    )
    zero = chart.scale(0)
    chart.drawing.rule(zero, 6, zero, chart.drawing.height - 42, "zero")
    for one, y in zip(ones, chart.at, strict=True):
        chart.drawing.rule(chart.scale(100 * one.low), y, chart.scale(100 * one.high), y, f"interval {style.colour}")
        tip = f"{results.class_name(one.index)}: {numbers.points(one.mean)} points"
        chart.drawing.mark(chart.scale(100 * one.mean), y, style, radius=3.5, tip=tip)
    return chart.drawing
