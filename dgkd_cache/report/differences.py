"""Paired differences: each with its 95 % interval and the difference of every seed, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Cell, Figure, Table, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Comparison, Results
from dgkd_cache.report.rows import NARROW, WIDE, rows_of

__all__ = ["comparison_figure", "comparisons_table"]


def comparison_figure(results: Results, style: Mapping[str, Style]) -> Figure | None:
    """Returns the paired differences with their 95 % intervals; None if nothing could be compared."""
    made = [one for one in results.comparisons if one.mean is not None and one.seeds]
    if not made:
        return None
    wide, narrow = (_drawing(made, style, width) for width in (WIDE, NARROW))
    return Figure(
        key="differences",
        caption="Paired differences. The large marker is the mean over seeds, the line its 95 % t interval, unadjusted "
        "for the number of comparisons; a small marker is the difference of one seed.",
        wide=wide,
        narrow=narrow,
        table=comparisons_table(made, by_seed=True),
    )


def _drawing(made: Sequence[Comparison], style: Mapping[str, Style], width: float) -> Drawing:
    found = [value for one in made for value in (*one.differences, one.low, one.high) if value is not None]
    chart = rows_of(
        [f"{one.variant} − {one.reference}" for one in made],
        [0.0, *(100 * value for value in found)],
        width=width,
        label="difference in accuracy, percentage points",
        title="Paired differences in accuracy",
        text="; ".join(f"{one.variant} minus {one.reference}: {numbers.difference(one)} points" for one in made),
        column=190 if width == WIDE else 0,
    )
    drawing, zero = chart.drawing, chart.scale(0)
    drawing.rule(zero, 6, zero, drawing.height - 42, "zero")
    for one, y in zip(made, chart.at, strict=True):
        own = style[one.variant]
        for seed, value in zip(one.seeds, one.differences, strict=True):
            tip = f"seed {seed}: {numbers.points(value)} points"
            drawing.mark(chart.scale(100 * value), y, own, radius=3, css="run", tip=tip)
        if one.low is not None and one.high is not None:
            low, high = chart.scale(100 * one.low), chart.scale(100 * one.high)
            drawing.rule(low, y, high, y, f"interval {own.colour}")
            for end in (low, high):
                drawing.rule(end, y - 5, end, y + 5, f"interval {own.colour}")
        mean, interval = numbers.difference(one), numbers.interval(one)
        tip = f"{one.variant} − {one.reference}: {mean} points ({interval})"
        drawing.mark(chart.scale(100 * (one.mean or 0.0)), y, own, radius=5.5, tip=tip)
        if width == WIDE:
            drawing.label(width - 2, y + 4, mean if one.low is None else f"{mean} ({interval})", "figure end")
    return drawing


def comparisons_table(made: Sequence[Comparison], *, by_seed: bool = False) -> Table:
    """Returns all comparisons with their verdicts, and with the difference of each seed if asked for."""
    seeds = sorted({seed for one in made for seed in one.seeds}) if by_seed else []
    rows = []
    for one in made:
        differences = dict(zip(one.seeds, one.differences, strict=True))
        rows.append(
            row(
                f"{one.variant} − {one.reference}",
                str(len(one.seeds)),
                numbers.difference(one),
                numbers.interval(one),
                numbers.p_value(one.p),
                numbers.p_value(one.adjusted_p),
                Cell(text=one.verdict, css=one.verdict),
                numbers.detectable(one),
                *(numbers.points(differences.get(seed)) for seed in seeds),
            )
        )
    head = ["comparison", "n", "difference", "95 % interval (unadjusted)", "p", "p (Holm)", "verdict"]
    head += ["detectable (80 % power)", *(f"seed {seed}" for seed in seeds)]
    return table("All comparisons: paired differences in percentage points", head, rows, words=(0, 6))
