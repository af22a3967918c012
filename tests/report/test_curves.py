"""Learning curves: lines and bands, read by their ticks, are mean, lowest and highest of the records."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from support.markup import Reading, read_svg
from support.study_results import made_results

from dgkd_cache.report.curves import curves_figure, curves_of
from dgkd_cache.report.palette import styles
from dgkd_cache.report.results_file import Results


def test_lines_and_bands_are_those_of_the_records(results: Results, style) -> None:
    figure = curves_figure(results, style)
    assert figure is not None and len(figure.panels) == 12
    for panel in figure.panels:
        ((name, _),) = panel.names
        runs = [results.runs[run] for run in results.variants[name].runs.values()]
        values = [[100 * (line.test_accuracy or 0) for line in run.epochs] for run in runs]
        reading = Reading(read_svg(panel.drawing))
        (line,) = reading.points("polyline", "own")
        means = [statistics.fmean(of) for of in zip(*values, strict=True)]
        assert line[:, 0] == pytest.approx(np.arange(1, 31), abs=0.03)
        assert line[:, 1] == pytest.approx(means, abs=0.1)
        (band,) = reading.points("polygon", "band")
        assert band[:30, 1] == pytest.approx([max(of) for of in zip(*values, strict=True)], abs=0.1)
        assert band[:29:-1, 1] == pytest.approx([min(of) for of in zip(*values, strict=True)], abs=0.1)
        assert len([*reading.points("polyline", "behind")]) == (name != results.reference)


def test_the_table_has_every_epoch(results: Results, style) -> None:
    figure = curves_figure(results, style)
    assert figure is not None and len(figure.table.rows) == 12 * 30
    first = [cell.text for cell in figure.table.rows[0]]
    values = [100 * (run.epochs[0].test_accuracy or 0) for run in results.students("scratch").values()]
    assert first == ["scratch", "1", *(f"{value:.2f}" for value in (np.mean(values), min(values), max(values)))]


def test_records_without_curves_have_no_figure() -> None:
    content = made_results(seeds=[0, 1])
    for run in content["runs"].values():
        run["epochs"] = [{"epoch": 0, "loss": 1.0}]
    bare = Results.model_validate(content)
    assert curves_of(bare) == {} and curves_figure(bare, styles(bare.order, bare.reference)) is None


def test_one_epoch_of_one_seed_is_a_figure() -> None:
    one = Results.model_validate(made_results(seeds=[3], epochs=1))
    figure = curves_figure(one, styles(one.order, one.reference))
    assert figure is not None and all(len(panel.drawing.items) > 5 for panel in figure.panels)
