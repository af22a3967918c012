"""Runs as rows: raw values for CSV and sorting, cells for a table, and what all of them have in common."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dgkd_cache.workspace.run_settings import GUIDANCE, PRUNING, RECIPE, Setting
from dgkd_cli.columns import Step, fit, in_parts
from dgkd_cli.humanize import count_text, duration_text, percent_text, share_number, size_text
from dgkd_cli.lines import paragraph
from dgkd_stores import clean

if TYPE_CHECKING:
    from dgkd_cache.workspace.listing import RunEntry

__all__ = ["KEYS", "long_table", "short_table", "sorted_by", "to_csv"]

KEYS = (
    *("run", "state", "architecture", "parameters", "guides", "live", *GUIDANCE, "seed", "epochs"),
    *(key for key in RECIPE if key not in ("seed", "epochs")),
    *(f"pruning.{key}" for key in PRUNING),
    *("accuracy", "validation_accuracy", "seconds", "size", "remark"),
)
"""The names of a run's values, in the order of the columns."""

_ALWAYS = ("run", "state", "accuracy")
_SETTINGS = ("objective", "lambda", "dropping", "seed", "epochs")
"""The settings that a short table shows whatever they are; the others only where runs differ in them."""
_OF_PRUNED = ("pruning.sparsity", "pruning.criterion")
"""The settings that tell a pruned run from others: they are columns as soon as one run has them."""
_IN_DROPPING = ("keep", "drop")  # the cell of `dropping` has them
_RIGHT = ("parameters", "lambda", "seed", "epochs", "accuracy", "validation_accuracy", "seconds", "size")


def sorted_by(runs: Iterable[RunEntry], key: str, *, descending: bool) -> list[RunEntry]:
    """Returns the runs in the order of one of `KEYS`: numbers by size, then text, then runs without a value."""
    values = [(run, _values(run).get(key)) for run in runs]
    known = [pair for pair in values if pair[1] not in (None, "")]
    known.sort(key=lambda pair: _order(pair[1]), reverse=descending)
    return [run for run, _ in (*known, *(pair for pair in values if pair[1] in (None, "")))]


def to_csv(runs: Iterable[RunEntry]) -> str:
    """Returns one row for each run under a row of `KEYS`, as RFC 4180 has it; shares are numbers from 0 to 1."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(KEYS)
    for run in runs:
        if run.state != "unknown":
            values = _values(run)
            writer.writerow([_raw(values.get(key)) for key in KEYS])
    return text.getvalue()


def long_table(runs: Sequence[RunEntry], *, width: int) -> str:
    """Returns a table of all values that any of the runs has, in parts that fit into `width`."""
    columns = {key: _column(runs, key) for key in KEYS if key not in (*_IN_DROPPING, "remark")}
    columns = {key: cells for key, cells in columns.items() if key in ("run", "state") or set(cells) != {"-"}}
    return in_parts(columns, right=_RIGHT, width=width)


def short_table(runs: Sequence[RunEntry], *, width: int) -> str:
    """Returns a table of what tells the runs apart, with lines on what is the same for all, and on what is hidden."""
    settings = [key for key in KEYS if any(key in run.settings for run in runs) and key not in _IN_DROPPING]
    columns = {key: _column(runs, key) for key in settings}
    values = {key: {cell for cell in cells if cell != "-"} for key, cells in columns.items()}
    alike = [key for key in _SETTINGS if len(values.get(key, ())) == 1 and _many(columns[key])]
    own = [key for key in _SETTINGS if key in columns and key not in alike]
    tells = {key for key in settings if len(values[key]) > 1 or key in _OF_PRUNED}
    others = [key for key in settings if key in tells and key not in (*_SETTINGS, "method")]
    names = ("run", "state", "architecture", "guides", "method", *own, *others, "accuracy", "parameters", "size")
    shown = {key: columns[key] if key in columns else _column(runs, key) for key in names}
    shown = {key: cells for key, cells in shown.items() if key in _ALWAYS or set(cells) != {"-"}}
    steps = [
        *(Step("size"), Step("parameters"), Step("guides", width=24)),
        *map(Step, ("architecture", *reversed(others))),
        *(Step("guides", width=12), *map(Step, reversed(own)), Step("method")),
    ]
    text = fit(shown, right=(*_RIGHT, *others), steps=steps, width=width, where="`ls --long`")
    lines = [
        f"{which}: {', '.join(f'{key} {next(iter(values[key]))}' for key in alike if (key in GUIDANCE) is guided)}"
        for which, guided in (("all runs", False), ("all runs under guides", True))
        if any((key in GUIDANCE) is guided for key in alike)
    ]
    return "\n".join([*(paragraph(line, width) for line in lines), text])


def _values(run: RunEntry) -> dict[str, Setting]:
    return {
        **run.settings,
        "run": clean(run.name),
        "state": run.state,
        "architecture": run.architecture,
        "parameters": run.parameters,
        "guides": ",".join(run.guides),
        "accuracy": share_number(run.accuracy),
        "validation_accuracy": share_number(run.validation),
        "seconds": run.seconds,
        "size": run.nbytes or None,
        "remark": run.why,
    }


def _raw(value: Setting) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else clean(value) if isinstance(value, str) else str(value)


def _column(runs: Iterable[RunEntry], key: str) -> list[str]:
    return [_cell(_values(run), key) for run in runs]


def _cell(values: Mapping[str, Setting], key: str) -> str:
    value = values.get(key)
    if value in (None, "") and not isinstance(value, bool):
        return "-"
    if key == "dropping":
        strength = {"bernoulli": "keep", "fixed": "drop"}.get(str(value))
        return clean(str(value)) + (f" {_raw(values[strength])}" if strength and strength in values else "")
    if isinstance(value, float | int) and not isinstance(value, bool):
        return _number(value, key)
    return _raw(value)


def _number(value: float, key: str) -> str:
    if key.endswith("accuracy"):
        return percent_text(value)
    if key == "seconds":
        return duration_text(value)
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)  # a sparsity of 0.9999999 is not 1
    return {"size": size_text, "parameters": count_text}.get(key, str)(value)


def _many(cells: Sequence[str]) -> bool:
    return sum(cell != "-" for cell in cells) > 1


def _order(value: Setting) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return (False, value, "")
    return (True, 0.0, str(value))
