"""Accuracy against sparsity: a line for each way of choosing weights, and what all are pruned from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dgkd_cache.report import numbers
from dgkd_cache.report.figures import Figure, Table, row, table
from dgkd_cache.report.group_charts import GroupChart, Line, group_drawing
from dgkd_cache.report.group_labels import labels_of
from dgkd_cache.report.groups import Group, groups_by_sparsity
from dgkd_cache.report.palette import level_styles, line_styles
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.rows import NARROW, WIDE
from dgkd_cache.report.variant_settings import source_of

__all__ = ["pruning_figure"]


def pruning_figure(results: Results) -> Figure | None:
    """Returns the accuracy against the share of weights that is removed; None if no student is pruned."""
    groups = groups_by_sparsity(results)
    if not groups:
        return None
    labels = labels_of(results, groups)
    pruned = [name for group in groups for name, _ in group.members]
    sources = [source for source in dict.fromkeys(source_of(results, name) for name in pruned) if source is not None]
    chart = GroupChart(
        title="Accuracy against sparsity",
        label="weights removed, %",
        lines=tuple(
            Line(label=label, style=style, points=group.members)
            for label, style, group in zip(labels, line_styles(len(groups)), groups, strict=True)
        ),
        at=lambda sparsity: -math.log10(1 - sparsity),
        tick=numbers.removed,
        words=lambda sparsity: f"{numbers.removed(sparsity)} % removed",
        levels=tuple((name, style, 0.0) for name, style in zip(sources, level_styles(len(sources)), strict=True)),
    )
    wide, narrow = (group_drawing(results, chart, width) for width in (WIDE, NARROW))
    return Figure(
        key="sparsity",
        caption="Test accuracy against sparsity, the share of the prunable weights that is removed. The axis is "
        "logarithmic in the weights that are kept. A line joins variants that differ in nothing else: markers are "
        "means with ± 1 sample standard deviation, dots single runs, and those of one sparsity stand side by side."
        + _of_sources(sources)
        + " Exploratory: no test is made along a line.",
        wide=wide,
        narrow=narrow,
        legend=(
            *((line.label, line.style) for line in chart.lines),
            *((f"{name}, not pruned", style) for name, style, _ in chart.levels),
        ),
        table=_table(results, groups, labels, sources),
    )


def _of_sources(sources: Sequence[str]) -> str:
    if not sources:
        return ""
    lines = "The dashed line is" if len(sources) == 1 else "Dashed lines are"
    return f" {lines} {' and '.join(sources)}, whose students are pruned: nothing is removed from these."


def _table(results: Results, groups: Sequence[Group], labels: Sequence[str], sources: Sequence[str]) -> Table:
    rows = [
        row("not pruned", name, "0 %", "all", str(one.n), numbers.spread(one))
        for name, one in ((name, results.variants[name].test["top1"]) for name in sources)
    ]
    for label, group in zip(labels, groups, strict=True):
        for name, sparsity in group.members:
            one, run = results.variants[name].test["top1"], next(iter(results.students(name).values()))
            kept = f"{run.pruning.weights_kept:,} of {run.pruning.weights_of:,}" if run.pruning else "–"
            rows.append(row(label, name, f"{numbers.removed(sparsity)} %", kept, str(one.n), numbers.spread(one)))
    head = ["line", "variant", "sparsity", "weights kept", "n", "accuracy"]
    return table("Accuracy against sparsity: mean ± sample standard deviation", head, rows, words=(0, 1))
