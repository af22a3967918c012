"""The figures and tables of accuracy: every run with the means, and the paired differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dgkd_cache.report import numbers
from dgkd_cache.report.figures import Cell, Figure, Table, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Comparison, Results
from dgkd_cache.report.rows import NARROW, WIDE, rows_of

__all__ = [
    "accuracy_figure",
    "comparison_figure",
    "comparisons_table",
    "measures_table",
    "runs_table",
    "variants_table",
]

_REF = " (reference)"


def accuracy_figure(results: Results, style: Mapping[str, Style]) -> Figure:
    """Returns every run's accuracy as a dot, and each variant's mean ± sample standard deviation."""
    names = results.shown
    top1 = {name: [run.test.top1 for run in results.students(name).values()] for name in names}
    summaries = {name: results.variants[name].test["top1"] for name in names}
    reach = [100 * end for one in summaries.values() for end in one.ends]
    values = [*(100 * one for found in top1.values() for one in found), *reach]
    drawings = []
    for width in (WIDE, NARROW):
        chart = rows_of(
            [name + _REF * (name == results.reference) for name in names],
            values,
            width=width,
            label="accuracy on the test set, %",
            title="Accuracy of every run",
            text="; ".join(f"{name}: {numbers.spread(summaries[name])}" for name in names),
            column=120 if width == WIDE else 0,
        )
        for name, y in zip(names, chart.at, strict=True):
            one, at = summaries[name], chart.scale(100 * summaries[name].mean)
            if one.deviation is not None:
                low, high = (chart.scale(100 * end) for end in one.ends)
                chart.drawing.rule(low, y, high, y, f"spread {style[name].colour}")
            chart.drawing.rule(at, y - 8, at, y + 8, f"mean {style[name].colour}")
            for seed, run in results.students(name).items():
                tip = f"{name}, seed {seed}: {numbers.percent(run.test.top1)}"
                chart.drawing.mark(chart.scale(100 * run.test.top1), y, style[name], radius=3.5, css="run", tip=tip)
            if width == WIDE:
                chart.drawing.label(width - 2, y + 4, numbers.spread(one), "figure end")
        drawings.append(chart.drawing)
    return Figure(
        key="accuracy",
        caption="Test accuracy after the last epoch. A marker is a run; the upright line is the mean, the bar ± 1 "
        "sample standard deviation.",
        wide=drawings[0],
        narrow=drawings[1],
        table=runs_table(results),
    )


def comparison_figure(results: Results, style: Mapping[str, Style]) -> Figure | None:
    """Returns the paired differences with their 95 % intervals; None if nothing could be compared."""
    made = [one for one in results.comparisons if one.mean is not None and one.seeds]
    if not made:
        return None
    values = [0.0]
    for one in made:
        values += [100 * value for value in (*one.differences, one.low, one.high) if value is not None]
    drawings = []
    for width in (WIDE, NARROW):
        chart = rows_of(
            [f"{one.variant} − {one.reference}" for one in made],
            values,
            width=width,
            label="difference in accuracy, percentage points",
            title="Paired differences in accuracy",
            text="; ".join(f"{one.variant} minus {one.reference}: {numbers.difference(one)} points" for one in made),
            column=190 if width == WIDE else 0,
        )
        zero = chart.scale(0)
        chart.drawing.rule(zero, 6, zero, chart.drawing.height - 42, "zero")
        for one, y in zip(made, chart.at, strict=True):
            for seed, value in zip(one.seeds, one.differences, strict=True):
                tip = f"seed {seed}: {numbers.points(value)} points"
                chart.drawing.mark(chart.scale(100 * value), y, style[one.variant], radius=3, css="run", tip=tip)
            if one.low is not None and one.high is not None:
                low, high = chart.scale(100 * one.low), chart.scale(100 * one.high)
                chart.drawing.rule(low, y, high, y, f"interval {style[one.variant].colour}")
                for end in (low, high):
                    chart.drawing.rule(end, y - 5, end, y + 5, f"interval {style[one.variant].colour}")
            tip = f"{one.variant} − {one.reference}: {numbers.difference(one)} points ({numbers.interval(one)})"
            chart.drawing.mark(chart.scale(100 * (one.mean or 0.0)), y, style[one.variant], radius=5.5, tip=tip)
            if width == WIDE:
                words = (
                    f"{numbers.difference(one)} ({numbers.interval(one)})"
                    if one.low is not None
                    else numbers.difference(one)
                )
                chart.drawing.label(width - 2, y + 4, words, "figure end")
        drawings.append(chart.drawing)
    return Figure(
        key="differences",
        caption="Paired differences. The large marker is the mean over seeds, the line its 95 % t interval, unadjusted "
        "for the number of comparisons; a small marker is the difference of one seed.",
        wide=drawings[0],
        narrow=drawings[1],
        table=comparisons_table(made, by_seed=True),
    )


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
