"""Accuracy: every run with the mean of its variant, and the tables of variants, of other measures and of runs."""

from __future__ import annotations

from collections.abc import Mapping

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Cell, Figure, Table, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.rows import NARROW, WIDE, rows_of

__all__ = ["accuracy_figure", "measures_table", "runs_table", "variants_table"]

_REF = " (reference)"


def accuracy_figure(results: Results, style: Mapping[str, Style]) -> Figure:
    """Returns every run's accuracy as a dot, and each variant's mean ± sample standard deviation."""
    wide, narrow = (_drawing(results, style, width) for width in (WIDE, NARROW))
    return Figure(
        key="accuracy",
        caption="Test accuracy after the last epoch. A marker is a run; the upright line is the mean, the bar ± 1 "
        "sample standard deviation.",
        wide=wide,
        narrow=narrow,
        table=runs_table(results),
    )


def _drawing(results: Results, style: Mapping[str, Style], width: float) -> Drawing:
    names = results.shown
    summaries = {name: results.variants[name].test["top1"] for name in names}
    top1 = [run.test.top1 for name in names for run in results.students(name).values()]
    chart = rows_of(
        [name + _REF * (name == results.reference) for name in names],
        [100 * one for one in (*top1, *(end for summary in summaries.values() for end in summary.ends))],
        width=width,
        label="accuracy on the test set, %",
        title="Accuracy of every run",
        text="; ".join(f"{name}: {numbers.spread(summaries[name])}" for name in names),
        column=120 if width == WIDE else 0,
    )
    drawing = chart.drawing
    for name, y in zip(names, chart.at, strict=True):
        one, at = summaries[name], chart.scale(100 * summaries[name].mean)
        if one.deviation is not None:
            low, high = (chart.scale(100 * end) for end in one.ends)
            drawing.rule(low, y, high, y, f"spread {style[name].colour}")
        drawing.rule(at, y - 8, at, y + 8, f"mean {style[name].colour}")
        for seed, run in results.students(name).items():
            tip = f"{name}, seed {seed}: {numbers.percent(run.test.top1)}"
            drawing.mark(chart.scale(100 * run.test.top1), y, style[name], radius=3.5, css="run", tip=tip)
        if width == WIDE:
            drawing.label(width - 2, y + 4, numbers.spread(one), "figure end")
    return drawing


def variants_table(results: Results) -> Table:
    """Returns the variants with their accuracy, and each one's comparison with the reference."""
    compared = {one.variant: one for one in results.comparisons if one.reference == results.reference}
    head = [
        "variant",
        "n",
        "accuracy",
        "difference",
        "95 % interval (unadjusted)",
        "p (Holm)",
        "verdict",
        "detectable (80 % power)",
    ]
    rows = []
    for name in results.shown:
        one, against = results.variants[name].test["top1"], compared.get(name)
        rows.append(
            row(
                name + _REF * (name == results.reference),
                str(one.n),
                numbers.spread(one),
                numbers.difference(against),
                numbers.interval(against),
                numbers.p_value(against.adjusted_p if against else None),
                Cell(text=against.verdict, css=against.verdict) if against else "–",
                numbers.detectable(against),
            )
        )
    caption = (
        f"Accuracy on the test set: mean ± sample standard deviation; differences from {results.reference} in points"
    )
    return table(caption, head, rows, words=(0, 6))


def measures_table(results: Results) -> Table:
    """Returns the other measures of each variant; a column that no variant has is left out."""
    found = {
        "top-5 accuracy": {name: numbers.spread(results.variants[name].test.get("top5")) for name in results.shown},
        "NLL": {
            name: numbers.spread(results.variants[name].test.get("nll"), scale=1, digits=3, unit="")
            for name in results.shown
        },
        "ECE": {name: numbers.spread(results.variants[name].test.get("ece"), digits=1) for name in results.shown},
        "accuracy at the best epoch by validation": {
            name: numbers.spread(results.variants[name].best_by_validation) for name in results.shown
        },
        "accuracy at the best epoch on test (optimistic)": {
            name: numbers.spread(results.variants[name].best_on_test) for name in results.shown
        },
        "published accuracy": {
            name: numbers.percent(one.published.accuracy / 100 if one.published else None)
            for name, one in ((name, results.variants[name]) for name in results.shown)
        },
    }
    found = {head: texts for head, texts in found.items() if {*texts.values()} != {numbers.spread(None)}}
    rows = [row(name, *(texts[name] for texts in found.values())) for name in results.shown]
    return table("Other measures on the test set: mean ± sample standard deviation", ["variant", *found], rows)


def runs_table(results: Results) -> Table:
    """Returns every run of a student, with what was measured of it."""
    rows = [
        row(
            name,
            str(seed),
            numbers.percent(run.test.top1),
            numbers.percent(run.test.top5),
            numbers.real(run.test.nll),
            numbers.percent(run.test.ece, 1),
            Cell(text=run.run, css="code"),
        )
        for name in results.shown
        for seed, run in results.students(name).items()
    ]
    return table("Every run", ["variant", "seed", "top-1", "top-5", "NLL", "ECE", "run"], rows, words=(0, 6))
