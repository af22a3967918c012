"""Sweeps: variants that differ from each other in one key, a number or a choice, and in nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing, text_width
from dgkd_cache.report.figures import Figure, Panel, row, table
from dgkd_cache.report.groups import groups_by_draws, groups_by_sparsity
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.scales import Scale, linear, logarithmic, tick_text
from dgkd_cache.report.variant_settings import is_number, settings_of, value_in_runs, value_text

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
        return all(is_number(value) for _, value in self.values)


def find_sweeps(results: Results) -> list[Sweep]:
    """Returns all sweeps of at least two variants, the longest first.

    A variant that does not set the key takes part with the value that its runs had, if they say it; without a control
    this is "none". One that others take their guides from takes part among these.
    """
    variants = settings_of(results)
    found: dict[tuple[str, frozenset[str]], Sweep] = {}
    for key in dict.fromkeys(key for _, changes in variants for key in changes):
        groups: dict[str, dict[str, Any]] = {}
        for name, changes in variants:
            value = changes[key] if key in changes else value_in_runs(results, name, key)
            if value is not None:
                rest = repr(sorted((one, repr(of)) for one, of in changes.items() if one != key))
                groups.setdefault(rest, {})[name] = value
        for group in groups.values():
            if len({repr(value) for value in group.values()}) == len(group) >= 2:
                numeric = all(map(is_number, group.values()))
                order = sorted(group.items(), key=lambda pair: pair[1]) if numeric else group.items()
                found[key, frozenset(group)] = Sweep(key=key, values=tuple(order))
    whole = [
        sweep
        for (key, names), sweep in found.items()
        if not any(key == other and names < more for other, more in found)
    ]
    return sorted(whole, key=lambda sweep: -len(sweep.values))


def sweeps_figure(results: Results, style: Mapping[str, Style]) -> Figure | None:
    """Returns a panel for each sweep; None if there is none.

    Sparsity and draws have figures of their own, whose lines are told apart by choices: neither is drawn twice.
    """
    lines = {"sparsity": groups_by_sparsity(results), "draws": groups_by_draws(results)}
    drawn = [{name for group in groups for name, _ in group.members} for groups in lines.values()]
    sweeps = [
        sweep
        for sweep in find_sweeps(results)
        if not lines.get(sweep.key)
        and (sweep.numeric or not any({name for name, _ in sweep.values} <= names for names in drawn))
    ]
    if not sweeps:
        return None
    shown = {name for sweep in sweeps for name, _ in sweep.values}
    top1 = [100 * run.test.top1 for name in shown for run in results.students(name).values()]
    means = [results.variants[name].test["top1"] for name in shown]
    top1 += [100 * end for one in means for end in one.ends]
    y = linear(min(top1), max(top1), _BOTTOM, _TOP, count=4)
    rows = [
        row(sweep.key, value_text(value), name, numbers.spread(results.variants[name].test["top1"]))
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
            f"{value_text(value)}: {numbers.spread(results.variants[name].test['top1'])}"
            for name, value in sweep.values
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
        drawing.mark(
            at[name], y(100 * one.mean), style[name], tip=f"{sweep.key} = {value_text(value)}: {numbers.spread(one)}"
        )
    return drawing


def _positions(drawing: Drawing, sweep: Sweep) -> dict[str, float]:
    """Draws the horizontal axis, and returns the place of each variant on it."""
    low, high, count = _LEFT + 22, _WIDTH - 32, len(sweep.values)
    values = [value for _, value in sweep.values]
    if not sweep.numeric:
        room = (high - low) / max(count - 1, 1)
        at = {name: low + room * index for index, (name, _) in enumerate(sweep.values)}
        tight = max(text_width(value_text(value)) for value in values) > room - 8
        for index, (name, value) in enumerate(sweep.values):
            lower = 13 * (index % 2) if tight else 0
            drawing.label(
                at[name], _BOTTOM + 16 + lower, value_text(value), "tick x middle", room=(1 + tight) * room - 8
            )
    else:
        log = values[0] > 0 and values[-1] / values[0] >= 20
        scale = (logarithmic if log else linear)(values[0], values[-1], low, high)
        at = {name: scale(value) for name, value in sweep.values}
        drawing.tick_labels([(at[name], tick_text(value)) for name, value in sweep.values], _BOTTOM + 16)
    drawing.label((low + high) / 2, _HEIGHT - 6, sweep.key, "axis middle")
    return at
