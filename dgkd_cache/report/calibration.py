"""Reliability diagrams: the accuracy of the predictions of each confidence, over all seeds of a variant together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Figure, Panel, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Bin, Results
from dgkd_cache.report.scales import Scale

__all__ = ["calibration_figure", "pooled_bins"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 250, 284, 34, 26, 236


def pooled_bins(of_runs: Sequence[Sequence[Bin]]) -> list[Bin]:
    """Returns the bins of all samples of several runs, whose bins are alike."""
    found = []
    for same in zip(*of_runs, strict=True):
        samples = np.array([one.samples for one in same])
        total = int(samples.sum())
        sums = [float(np.dot(samples, [getattr(one, key) for one in same])) for key in ("confidence", "accuracy")]
        confidence, accuracy = (one / total if total else 0.0 for one in sums)
        found.append(Bin(samples=total, confidence=confidence, accuracy=accuracy))
    return found


def calibration_figure(results: Results, style: Mapping[str, Style]) -> Figure | None:
    """Returns a reliability diagram for each variant; None if the records have no bins."""
    of_variants = {
        name: pooled_bins([run.test.bins for run in results.students(name).values()])
        for name in results.shown
        if all(run.test.bins for run in results.students(name).values())
    }
    if not of_variants:
        return None
    panels = tuple(
        Panel(
            names=((name, style[name]),),
            note=f"ECE {numbers.spread(results.variants[name].test.get('ece'), digits=1)}",
            drawing=_panel(name, bins, style[name]),
        )
        for name, bins in of_variants.items()
    )
    rows = [
        row(name, f"{index / len(bins):.2f} to {(index + 1) / len(bins):.2f}", numbers.whole(one.samples))
        + row(*(numbers.percent(value if one.samples else None) for value in (one.confidence, one.accuracy)))
        for name, bins in of_variants.items()
        for index, one in enumerate(bins)
    ]
    bins = len(next(iter(of_variants.values())))
    return Figure(
        key="reliability",
        caption=f"Reliability diagrams on the test set: accuracy against mean confidence in {bins} bins of equal "
        "width, all seeds together; grey bars show the share of samples. Below the diagonal the student is "
        "overconfident. ECE is the mean ± sample standard deviation over seeds.",
        panels=panels,
        table=table(
            "Bins of confidence",
            ["variant", "confidence", "samples", "mean confidence", "accuracy"],
            rows,
            words=(0, 1),
        ),
    )


def _panel(name: str, bins: Sequence[Bin], style: Style) -> Drawing:
    total, worst = sum(one.samples for one in bins), max(bins, key=lambda one: one.samples)
    drawing = Drawing(
        width=_WIDTH,
        height=_HEIGHT,
        title=f"Reliability diagram of {name}",
        text=f"The fullest bin has a mean confidence of {numbers.percent(worst.confidence, 1)} and an accuracy of "
        f"{numbers.percent(worst.accuracy, 1)}.",
    )
    ticks = (0.0, 25.0, 50.0, 75.0, 100.0)
    x = Scale(low=0, high=100, start=_LEFT, end=_WIDTH - 12, ticks=ticks)
    y = Scale(low=0, high=100, start=_BOTTOM, end=_TOP, ticks=ticks)
    drawing.y_axis(y, _LEFT, _WIDTH - 12, "accuracy, %")
    drawing.x_axis(x, _TOP, _BOTTOM, "confidence, %")
    for index, one in enumerate(bins):
        left, right = (x(100 * (index + side) / len(bins)) for side in (0, 1))
        if one.samples:
            share = one.samples / total
            drawing.box(
                left + 1, y(0), right - 1, y(100 * share), "share", f"{numbers.percent(share, 1)} of the samples"
            )
    drawing.rule(x(0), y(0), x(100), y(100), "zero")
    points = [(x(100 * one.confidence), y(100 * one.accuracy)) for one in bins if one.samples]
    drawing.line(points, style)
    for (at, height), one in zip(points, [one for one in bins if one.samples], strict=True):
        tip = f"confidence {numbers.percent(one.confidence, 1)}, accuracy {numbers.percent(one.accuracy, 1)}"
        drawing.mark(at, height, style, radius=3.5, tip=f"{tip}, {numbers.whole(one.samples)} samples")
    return drawing
