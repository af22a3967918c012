"""Sweeps: variants that differ from each other in one key, a number or a choice, and in nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing, text_width
from dgkd_cache.report.figures import Figure, Panel, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.scales import Scale, linear, logarithmic, tick_text

__all__ = ["Sweep", "find_sweeps", "sweeps_figure"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 290, 222, 40, 26, 172


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Variants that differ in `key` alone: the value of each, in rising order where they are numbers."""

    key: str
    values: tuple[tuple[str, Any], ...]
    """(variant, value)."""

    @property
    def numeric(self) -> bool:
        """True if all values are numbers."""
        return all(_is_number(value) for _, value in self.values)


def find_sweeps(results: Results) -> list[Sweep]:
    """Returns all sweeps of at least two variants, the longest first.

    A variant that does not set the key takes part with the value that its runs had, if they say it.
    """
    variants = {name: results.variants[name].changes for name in results.shown}
    found: dict[tuple[str, frozenset[str]], Sweep] = {}
    for key in dict.fromkeys(key for changes in variants.values() for key in changes):
        groups: dict[str, dict[str, Any]] = {}
        for name, changes in variants.items():
            value = changes[key] if key in changes else _value_in_runs(results, name, key)
            if value is not None:
                rest = repr(sorted((one, repr(of)) for one, of in changes.items() if one != key))
                groups.setdefault(rest, {})[name] = value
        for group in groups.values():
            if len({repr(value) for value in group.values()}) == len(group) >= 2:
                numeric = all(map(_is_number, group.values()))
                order = sorted(group.items(), key=lambda pair: pair[1]) if numeric else group.items()
                found[key, frozenset(group)] = Sweep(key=key, values=tuple(order))
    return sorted(found.values(), key=lambda sweep: -len(sweep.values))


def _value_in_runs(results: Results, variant: str, key: str) -> Any:
    """Returns the value of a key in the runs of a variant; None if they have none or several."""
    values = [run.training.get(key) for run in results.students(variant).values()]
    return values[0] if values and all(value == values[0] for value in values) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def sweeps_figure(results: Results, style: Mapping[str, Style]) -> Figure | None:
    """Returns a panel for each sweep; None if there is none."""
    sweeps = find_sweeps(results)
    if not sweeps:
        return None
    shown = {name for sweep in sweeps for name, _ in sweep.values}
    top1 = [100 * run.test.top1 for name in shown for run in results.students(name).values()]
    means = [results.variants[name].test["top1"] for name in shown]
    top1 += [100 * end for one in means for end in one.ends]
    y = linear(min(top1), max(top1), _BOTTOM, _TOP, count=4)
    rows = [
        row(sweep.key, str(value), name, numbers.spread(results.variants[name].test["top1"]))
        for sweep in sweeps
        for name, value in sweep.values
    ]
    return Figure(
        key="sweeps",
        caption="Sweeps: variants that differ in one setting alone. Markers are means with ± 1 sample standard "
        "deviation, dots single runs. Exploratory: no test is made along a sweep.",
        panels=tuple(
            Panel(names=((sweep.key, None),), note="", drawing=_panel(results, sweep, style, y)) for sweep in sweeps
        ),
        table=table("Sweeps", ["key", "value", "variant", "accuracy"], rows, words=(0, 1, 2)),
    )


def _panel(results: Results, sweep: Sweep, style: Mapping[str, Style], y: Scale) -> Drawing:
    drawing = Drawing(
        width=_WIDTH,
        height=_HEIGHT,
        title=f"Accuracy by {sweep.key}",
        text="; ".join(
            f"{value}: {numbers.spread(results.variants[name].test['top1'])}" for name, value in sweep.values
        ),
    )
    drawing.y_axis(y, _LEFT, _WIDTH - 10, "accuracy, %")
    at = _positions(drawing, sweep)
    if sweep.numeric:
        points = [(at[name], y(100 * results.variants[name].test["top1"].mean)) for name, _ in sweep.values]
        drawing.line(points, Style(colour="muted", shape="circle", dash=""))
    for name, value in sweep.values:
        one = results.variants[name].test["top1"]
        for seed, run in results.students(name).items():
            tip = f"{name}, seed {seed}: {numbers.percent(run.test.top1)}"
            drawing.mark(at[name] + 7, y(100 * run.test.top1), style[name], radius=2.2, css="run", tip=tip)
        if one.deviation:
            low, high = (y(100 * end) for end in one.ends)
            drawing.rule(at[name], low, at[name], high, f"interval {style[name].colour}")
        drawing.mark(at[name], y(100 * one.mean), style[name], tip=f"{sweep.key} = {value}: {numbers.spread(one)}")
    return drawing


def _positions(drawing: Drawing, sweep: Sweep) -> dict[str, float]:
    """Draws the horizontal axis, and returns the place of each variant on it."""
    low, high, count = _LEFT + 22, _WIDTH - 32, len(sweep.values)
    values = [value for _, value in sweep.values]
    if not sweep.numeric:
        room = (high - low) / max(count - 1, 1)
        at = {name: low + room * index for index, (name, _) in enumerate(sweep.values)}
        tight = max(text_width(str(value)) for value in values) > room - 8
        for index, (name, value) in enumerate(sweep.values):
            lower = 13 * (index % 2) if tight else 0
            drawing.label(at[name], _BOTTOM + 16 + lower, str(value), "tick x middle", room=(1 + tight) * room - 8)
    else:
        log = values[0] > 0 and values[-1] / values[0] >= 20
        scale = (logarithmic if log else linear)(values[0], values[-1], low, high)
        at = {name: scale(value) for name, value in sweep.values}
        ends = {0: -100.0, 13: -100.0}  # of the last label in each of two lines
        for name, value in sweep.values:
            half = text_width(tick_text(value)) / 2
            for line, end in ends.items():
                if at[name] - half >= end + 4:
                    drawing.label(at[name], _BOTTOM + 16 + line, tick_text(value), "tick x middle")
                    ends[line] = at[name] + half
                    break
    drawing.label((low + high) / 2, _HEIGHT - 6, sweep.key, "axis middle")
    return at
