"""Accuracy against cost: what a variant took, its guides' training included, and the accuracy that came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Figure, Table, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.rows import NARROW, WIDE
from dgkd_cache.report.scales import linear
from dgkd_cache.study.timings import NEEDED, Timings, seconds_of

__all__ = ["costs_figures"]

_SAME, _APART = 4, 13
"""Pixels within which marks stand side by side, and how far apart they then are."""


def costs_figures(results: Results, timings: Timings, style: Mapping[str, Style]) -> list[Figure]:
    """Returns accuracy against samples trained, which is exact, and against seconds where they are known."""
    names = [name for name in results.shown if results.variants[name].cost]
    costs = {name: results.variants[name].cost for name in names}
    samples = {
        name: float((cost.get("trained_samples") or 0) + (cost.get("guides_trained_samples") or 0))
        for name, cost in costs.items()
    }
    pruned = any(run.pruning for run in results.runs.values())
    sources = " What a student is pruned from counts with the guides." if pruned else ""
    found = []
    if names:
        found.append(
            _figure(
                results,
                style,
                samples,
                key="samples",
                label="samples trained on, students and guides",
                caption="Accuracy against the samples that all runs of a variant and of its guides were trained on; a "
                "guide counts once for all seeds that share it. Left and up is better. Equal costs stand side "
                "by side; bars are ± 1 sample standard deviation." + sources,
                data=_counts(results, names),
            )
        )
    records = {name: run.model_dump(include=set(NEEDED)) for name, run in results.runs.items()}
    seconds = {}
    for name in results.shown:
        students = [*results.variants[name].runs.values()]
        seconds[name] = seconds_of(students, records, timings)
    known = {name: total for name, parts in seconds.items() if (total := _together(parts)) is not None}
    if known:
        longest = max(known.values())
        unit, size = ("seconds", 1) if longest < 300 else ("minutes", 60) if longest < 3 * 3600 else ("hours", 3600)
        dumps = all(seconds[name][2] is not None for name in known)
        found.append(
            _figure(
                results,
                style,
                {name: one / size for name, one in known.items()},
                key="seconds",
                label=f"{unit} of training, students and guides",
                caption="Accuracy against the wall time of training, guides included, on the machines that worked, "
                f"with all that ran beside. The dumps of the guides are {'included' if dumps else 'not in it'}."
                + sources,
                data=_times(seconds),
            )
        )
    return found


def _figure(
    results: Results,
    style: Mapping[str, Style],
    cost: Mapping[str, float],
    *,
    key: str,
    label: str,
    caption: str,
    data: Table,
) -> Figure:
    wide, narrow = (_drawing(results, style, cost, label, width) for width in (WIDE, NARROW))
    legend = tuple((name, style[name]) for name in cost)
    return Figure(key=key, caption=caption, wide=wide, narrow=narrow, legend=legend, table=data)


def _drawing(
    results: Results, style: Mapping[str, Style], cost: Mapping[str, float], label: str, width: float
) -> Drawing:
    summaries = {name: results.variants[name].test["top1"] for name in cost}
    reach = [100 * end for one in summaries.values() for end in one.ends]
    height, left, right = (300.0, 46.0, width - 16) if width == WIDE else (280.0, 40.0, width - 10)
    y = linear(min(reach), max(reach), height - 46, 30, count=5)
    x = linear(min(0, *cost.values()), max(cost.values()), left, right, count=int(width / 110))
    drawing = Drawing(
        width=width,
        height=height,
        title=f"Accuracy against {label}",
        text="; ".join(f"{name}: {numbers.spread(summaries[name])} for {numbers.real(cost[name], 1)}" for name in cost),
    )
    drawing.y_axis(y, left, right, "accuracy on the test set, %")
    drawing.x_axis(x, 30, height - 46, label)
    for name, at in _beside({name: x(value) for name, value in cost.items()}).items():
        one = summaries[name]
        if one.deviation:
            low, high = (y(100 * end) for end in one.ends)
            drawing.rule(at, low, at, high, f"interval {style[name].colour}")
        drawing.mark(at, y(100 * one.mean), style[name], radius=5.5, tip=f"{name}: {numbers.spread(one)}")
    return drawing


def _beside(at: Mapping[str, float]) -> dict[str, float]:
    """Returns the places of marks: those of one cost side by side around it, never beyond those of another cost."""
    groups: list[list[str]] = []
    for name in sorted(at, key=lambda name: at[name]):
        if groups and at[name] - at[groups[-1][0]] < _SAME:
            groups[-1].append(name)
        else:
            groups.append([name])
    middles = [sum(at[name] for name in group) / len(group) for group in groups]
    found = {}
    for index, (group, middle) in enumerate(zip(groups, middles, strict=True)):
        room = min((abs(middle - other) for place, other in enumerate(middles) if place != index), default=1e9)
        apart = min(_APART, 0.8 * room / len(group))
        for place, name in enumerate(group):
            found[name] = middle + apart * (place - (len(group) - 1) / 2)
    return found


def _counts(results: Results, names: Sequence[str]) -> Table:
    keys = ("epochs", "steps", "trained_samples", "guide_rows")
    heads = [("epochs", "epochs of guides"), ("steps", "steps of guides")]
    head = ["variant", "accuracy", *(one for pair in heads for one in pair), "samples", "samples of guides"]
    head += [
        "guide rows read",
        "guide rows read by guides",
        "guide forwards of dumps",
        "guide forwards saved",
        "cache bytes",
    ]
    rows = []
    for name in names:
        cost = results.variants[name].cost
        figures = [cost.get(prefix + key) for key in keys for prefix in ("", "guides_")]
        figures += [cost.get(key) for key in ("guide_forwards", "guide_forwards_saved", "cache_bytes")]
        accuracy = numbers.spread(results.variants[name].test["top1"])
        rows.append(row(name, accuracy, *map(numbers.whole, figures)))
    return table("Costs by count: all runs of a variant, and its guides once", head, rows)


def _together(parts: Sequence[float | None]) -> float | None:
    """Returns the seconds of students, guides and, if they are known, dumps; None unless those of training are."""
    return None if None in parts[:2] else sum(filter(None, parts))


def _times(seconds: Mapping[str, Sequence[float | None]]) -> Table:
    rows = [row(name, *map(numbers.duration, [*parts, _together(parts)])) for name, parts in seconds.items()]
    return table("Wall time", ["variant", "students", "guides", "dumps of guides", "together"], rows)
