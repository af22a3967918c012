"""Accuracy against the number of draws of each guide, and that under the guides themselves beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dgkd_cache.report import numbers
from dgkd_cache.report.figures import Figure, Table, row, table
from dgkd_cache.report.group_charts import GroupChart, Line, group_drawing
from dgkd_cache.report.group_labels import labels_of
from dgkd_cache.report.groups import Group, groups_by_draws
from dgkd_cache.report.palette import Style, line_styles
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.rows import NARROW, WIDE
from dgkd_cache.report.scales import tick_text

__all__ = ["draws_figure"]

_ITSELF = "model itself"


def draws_figure(results: Results) -> Figure | None:
    """Returns the accuracy against the number of draws; None if no student has draws as guides."""
    groups = groups_by_draws(results)
    if not groups:
        return None
    labels = labels_of(results, groups)
    chart = GroupChart(
        title="Accuracy against the number of draws",
        label="draws of each guide",
        lines=tuple(
            _line(group, label, style)
            for label, style, group in zip(labels, line_styles(len(groups)), groups, strict=True)
        ),
        at=math.log2,
        tick=tick_text,
        words=lambda count: numbers.draws(int(count)),
        beside=_ITSELF,
    )
    itself = any(line.beside is not None for line in chart.lines)
    wide, narrow = (group_drawing(results, chart, width) for width in (WIDE, NARROW))
    return Figure(
        key="draws",
        caption="Test accuracy against the number of draws of each guide; a draw is a pass of the guide with its "
        "dropout active. The axis is logarithmic. A line joins variants that differ in nothing else: markers are means "
        "with ± 1 sample standard deviation, dots single runs, and those of one number stand side by side."
        + " Left of the axis the guide is the model itself, without dropout." * itself
        + " Exploratory: no test is made along a line.",
        wide=wide,
        narrow=narrow,
        legend=tuple((line.label, line.style) for line in chart.lines),
        table=_table(results, groups, labels),
    )


def _line(group: Group, label: str, style: Style) -> Line:
    itself = [name for name, draws in group.members if not draws]
    points = tuple((name, draws) for name, draws in group.members if draws)
    return Line(label=label, style=style, points=points, beside=itself[0] if itself else None)


def _table(results: Results, groups: Sequence[Group], labels: Sequence[str]) -> Table:
    rows = []
    for label, group in zip(labels, groups, strict=True):
        for name, draws in group.members:
            one = results.variants[name].test["top1"]
            rows.append(row(label, name, f"{draws:g}" if draws else _ITSELF, str(one.n), numbers.spread(one)))
    head = ["line", "variant", "draws of each guide", "n", "accuracy"]
    return table("Accuracy against the number of draws: mean ± sample standard deviation", head, rows, words=(0, 1))
