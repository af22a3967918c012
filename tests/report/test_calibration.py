"""Reliability diagrams: bins of several runs together are the bins of all their samples."""

from __future__ import annotations

import numpy as np
import pytest
from support.markup import Reading, marks, read_svg
from support.study_results import made_results

from dgkd_cache.report.calibration import calibration_figure, pooled_bins
from dgkd_cache.report.results_file import Bin, Results
from dgkd_cache.study.measures import measure


def bins_of(logits_MC: np.ndarray, label_M: np.ndarray) -> list[Bin]:
    return [Bin(**vars(one)) for one in measure(logits_MC, label_M).bins]


def test_pooled_bins_are_those_of_all_samples() -> None:
    random = np.random.default_rng(3)
    logits = [random.normal(0, 2, (count, 4)) for count in (30, 200)]
    labels = [random.integers(0, 4, len(one)) for one in logits]
    together = bins_of(np.concatenate(logits), np.concatenate(labels))
    pooled = pooled_bins([bins_of(one, label) for one, label in zip(logits, labels, strict=True)])
    for one, other in zip(pooled, together, strict=True):
        assert one.samples == other.samples
        assert (one.confidence, one.accuracy) == pytest.approx((other.confidence, other.accuracy))


def test_marks_stand_at_confidence_and_accuracy(results: Results, style) -> None:
    figure = calibration_figure(results, style)
    assert figure is not None and len(figure.table.rows) == 12 * 15
    for panel in figure.panels:
        ((name, _),) = panel.names
        bins = pooled_bins([run.test.bins for run in results.students(name).values()])
        svg = read_svg(panel.drawing)
        reading = Reading(svg)
        found = [(reading.x(x), reading.y(y)) for x, y, _ in marks(svg)]
        expected = [(100 * one.confidence, 100 * one.accuracy) for one in bins if one.samples]
        assert np.array(found) == pytest.approx(np.array(expected), abs=0.05)
        heights = [float(one.attrib["height"]) for one in svg.iter("rect") if one.attrib.get("class") == "share"]
        assert sum(heights) * abs(reading.axis("y")[1]) == pytest.approx(100, abs=1), "shares of all samples"


def test_records_without_bins_have_no_figure() -> None:
    content = made_results(seeds=[0, 1])
    for run in content["runs"].values():
        run["test"]["bins"] = []
    assert calibration_figure(Results.model_validate(content), {}) is None
