"""Accuracy by class: paired differences over the seeds that both have, and the largest of many classes."""

from __future__ import annotations

import numpy as np
import pytest
from support.markup import Reading, marks, read_svg
from support.study_results import made_results

from dgkd_cache.report.classes import MOST_SHOWN, class_differences, classes_figure
from dgkd_cache.report.palette import styles
from dgkd_cache.report.results_file import Results


def by_seed(results: Results, name: str) -> dict[int, np.ndarray]:
    return {seed: np.array(run.test.class_accuracy, float) for seed, run in results.students(name).items()}


def test_differences_are_paired_by_seed() -> None:
    results = Results.model_validate(made_results(missing=[("kd", 1), ("scratch", 4)]))
    mine, theirs = by_seed(results, "kd"), by_seed(results, "scratch")
    expected = np.array([mine[seed] - theirs[seed] for seed in (0, 2, 3)])
    found = class_differences(results, "kd")
    assert [one.mean for one in found] == pytest.approx(expected.mean(0).tolist())
    assert [one.low for one in found] == pytest.approx(expected.min(0).tolist())
    assert [one.high for one in found] == pytest.approx(expected.max(0).tolist())


def test_marks_are_the_means(results: Results, style) -> None:
    figure = classes_figure(results, style)
    assert figure is not None and len(figure.panels) == 11 and len(figure.table.rows) == 110
    for panel in figure.panels:
        ((name, _),) = panel.names
        svg = read_svg(panel.drawing)
        found = [Reading(svg).x(x) for x, _, _ in marks(svg)]
        assert found == pytest.approx([100 * one.mean for one in class_differences(results, name)], abs=0.3)


def test_names_of_classes_are_those_of_the_data_set() -> None:
    names = ["ant", "bee", "cow"]
    results = Results.model_validate(made_results(classes=3, names=names))
    figure = classes_figure(results, styles(results.order, results.reference))
    assert figure is not None and [cells[1].text for cells in figure.table.rows[:3]] == names
    bare = Results.model_validate(made_results(classes=3))
    assert bare.class_name(2) == "class 2"


def test_ids_have_their_words_in_front() -> None:
    """Two classes of ImageNet are called crane: the id tells them apart."""
    names, words = ["n02012849", "n03126707"], ["crane", "crane"]
    content = made_results(classes=2, names=names, words=words)
    assert (content["classes"], content["class_words"]) == (names, words)
    assert not any("class_words" in run for run in content["runs"].values())
    results = Results.model_validate(content)
    figure = classes_figure(results, styles(results.order, results.reference))
    shown = ["crane (n02012849)", "crane (n03126707)"]
    assert figure is not None and [cells[1].text for cells in figure.table.rows[:2]] == shown


def test_of_many_classes_the_largest_differences_are_drawn() -> None:
    results = Results.model_validate(made_results(classes=1000, seeds=[0, 1]))
    figure = classes_figure(results, styles(results.order, results.reference))
    assert figure is not None and "The table has the same" in figure.caption
    assert len(figure.table.rows) == 4 * MOST_SHOWN
    assert all(len(marks(read_svg(panel.drawing))) == MOST_SHOWN for panel in figure.panels)
    all_of_kd = sorted((abs(one.mean) for one in class_differences(results, "kd")), reverse=True)
    shown = [abs(float(cells[3].text.replace("−", "-"))) for cells in figure.table.rows if cells[0].text == "kd"]
    assert min(shown) == pytest.approx(100 * all_of_kd[MOST_SHOWN - 1], abs=0.01)


def test_a_class_without_samples_and_a_missing_reference() -> None:
    content = made_results(classes=3, seeds=[0, 1])
    for run in content["runs"].values():
        run["test"]["class_accuracy"][1] = None
    assert [one.index for one in class_differences(Results.model_validate(content), "kd")] == [0, 2]
    lost = Results.model_validate(made_results(missing=[("scratch", seed) for seed in range(5)]))
    assert classes_figure(lost, {}) is None
