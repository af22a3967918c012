"""Learning curves: the test accuracy after each epoch, its mean over seeds in a band from lowest to highest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Figure, Panel, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.scales import Scale, linear

__all__ = ["curves_figure", "curves_of"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 290, 212, 34, 26, 174


def curves_of(results: Results) -> dict[str, NDArray[np.float64]]:
    """Returns the accuracy (seeds, epochs) of each variant in percent, over the epochs that all its runs have."""
    found = {}
    for name in results.shown:
        curves = [run.test_curve for run in results.students(name).values()]
        epochs = min(map(len, curves))
        if epochs:
            found[name] = 100 * np.array([curve[:epochs] for curve in curves])
    return found


def curves_figure(results: Results, style: Mapping[str, Style]) -> Figure | None:
    """Returns a panel for each variant, with the reference's mean behind it; None if no run has a curve."""
    curves = curves_of(results)
    if not curves:
        return None
    longest = max(curve.shape[1] for curve in curves.values())
    late = [curve[:, min(longest // 6, curve.shape[1] - 1) :] for curve in curves.values()]
    y = linear(min(map(np.min, late)), max(map(np.max, late)), _BOTTOM, _TOP, count=4)
    x = linear(0, longest, _LEFT, _WIDTH - 10, count=4, nice=False)
    cut = any(curve.min() < y.low for curve in curves.values())
    panels = tuple(
        Panel(
            names=((name, style[name]),),
            note=f"{numbers.percent(curve.mean(0)[-1] / 100)} after {curve.shape[1]} epochs",
            drawing=_panel(name, curve, curves.get(results.reference), results.reference, style, x, y),
        )
        for name, curve in curves.items()
    )
    rows = [
        row(name, str(epoch + 1), *(f"{value:.2f}" for value in (of.mean(), of.min(), of.max())))
        for name, curve in curves.items()
        for epoch, of in enumerate(curve.T)
    ]
    return Figure(
        key="curves",
        caption="Learning curves on the test set, which chose nothing. The line is the mean over seeds, the band "
        f"reaches from the lowest to the highest seed; grey is {results.reference}."
        + (" The vertical axis leaves out the first epochs." if cut else ""),
        panels=panels,
        table=table("Test accuracy by epoch in %", ["variant", "epoch", "mean", "lowest", "highest"], rows),
    )


def _panel(
    name: str,
    curve: NDArray[np.float64],
    behind: NDArray[np.float64] | None,
    reference: str,
    style: Mapping[str, Style],
    x: Scale,
    y: Scale,
) -> Drawing:
    drawing = Drawing(
        width=_WIDTH,
        height=_HEIGHT,
        title=f"Learning curve of {name}",
        text=f"Mean test accuracy: {curve.mean(0)[0]:.1f} % after an epoch, {curve.mean(0)[-1]:.1f} % after the last.",
        clip=(_LEFT, _TOP - 4, _WIDTH - _LEFT, _BOTTOM - _TOP + 4),
    )
    drawing.y_axis(y, _LEFT, _WIDTH - 10, "accuracy, %")
    drawing.x_axis(x, _TOP, _BOTTOM, "epoch")
    epochs = range(1, curve.shape[1] + 1)
    upper = [(x(epoch), y(value)) for epoch, value in zip(epochs, curve.max(0), strict=True)]
    lower = [(x(epoch), y(value)) for epoch, value in zip(epochs, curve.min(0), strict=True)]
    drawing.area([*upper, *reversed(lower)], f"band {style[name].colour}", clipped=True)
    if behind is not None and name != reference:
        points = [(x(epoch + 1), y(value)) for epoch, value in enumerate(behind.mean(0))]
        drawing.line(points, style[reference], css="behind", clipped=True)
    mean = [(x(epoch), y(value)) for epoch, value in zip(epochs, curve.mean(0), strict=True)]
    drawing.line(mean, style[name], css="own", clipped=True)
    drawing.mark(*mean[-1], style[name], radius=3.5)
    return drawing
