"""Accuracy and paired differences: what the drawings show, read by their ticks, is what scipy and the results say."""

from __future__ import annotations

import pytest
from scipy import stats
from support.markup import Reading, marks, read_svg
from support.study_results import made_results

from dgkd_cache.report.differences import (
    accuracy_figure,
    comparison_figure,
    comparisons_table,
    measures_table,
    runs_table,
    variants_table,
)
from dgkd_cache.report.labels import notes_of
from dgkd_cache.report.page import sections_of
from dgkd_cache.report.results_file import Results

AXIS = 0.03
"""Points within which a position is read back: positions have two decimals, and names of ticks are rounded."""


def top1(results: Results, name: str) -> list[float]:
    return [100 * run.test.top1 for run in results.students(name).values()]


def test_every_run_is_a_marker_at_its_accuracy(results: Results, style) -> None:
    figure = accuracy_figure(results, style)
    for drawing in figure.drawings:
        svg = read_svg(drawing)
        reading = Reading(svg)
        found = sorted(reading.x(x) for x, _, _ in marks(svg, "run"))
        assert found == pytest.approx(sorted(one for name in results.shown for one in top1(results, name)), abs=AXIS)
        for name in results.shown:
            at = [reading.x(x) for x, _, _, _ in reading.lines(f"mean {style[name].colour}")]
            assert at == pytest.approx([sum(top1(results, name)) / 5], abs=AXIS)


def test_intervals_are_those_of_scipy(results: Results, style) -> None:
    figure = comparison_figure(results, style)
    assert figure is not None
    for drawing in figure.drawings:
        svg = read_svg(drawing)
        reading = Reading(svg)
        for one in results.comparisons:
            test = stats.ttest_rel(top1(results, one.variant), top1(results, one.reference))
            low, high = test.confidence_interval(0.95)
            (line,) = (line for line in reading.lines(f"interval {style[one.variant].colour}") if line[1] == line[3])
            assert [reading.x(line[0]), reading.x(line[2])] == pytest.approx([low, high], abs=AXIS)
            y = line[1]
            large = [x for x, at, tip in marks(svg, style[one.variant].colour) if at == y and "seed" not in tip]
            assert [reading.x(x) for x in large] == pytest.approx([(low + high) / 2], abs=AXIS)
            small = sorted(reading.x(x) for x, at, tip in marks(svg, style[one.variant].colour) if "seed" in tip)
            assert small == pytest.approx(sorted(100 * value for value in one.differences), abs=AXIS)


def test_the_tables_have_the_same_numbers(results: Results) -> None:
    table = variants_table(results)
    rows = {cells[0].text: [cell.text for cell in cells] for cells in table.rows}
    assert [*rows][0] == "scratch (reference)" and len(rows) == 12
    for one in results.comparisons:
        values = top1(results, one.variant)
        cells = rows[one.variant]
        assert cells[2].startswith(f"{sum(values) / 5:.2f} ± ")
        assert float(cells[3]) == pytest.approx(100 * (one.mean or 0), abs=0.005)
        assert cells[6] == one.verdict
    assert len(runs_table(results).rows) == 60
    other = measures_table(results)
    assert other.head == ("variant", "top-5 accuracy", "NLL", "ECE"), "nothing is held out, and no best epoch is told"


def test_comparisons_that_were_named_have_their_verdicts(results: Results) -> None:
    named = Results.model_validate(made_results(pairs=[("dgkd", "kd"), ("kd", "scratch")]))
    rows = [[cell.text for cell in cells] for cells in comparisons_table(named.comparisons).rows]
    assert [(row[0], row[6]) for row in rows] == [
        ("dgkd − kd", named.comparisons[0].verdict),
        ("kd − scratch", named.comparisons[1].verdict),
    ]
    shown = [[table.caption[:3] for table in sections_of(one, {}, command="")[0].tables] for one in (named, results)]
    assert shown == [["Acc", "All", "Oth"], ["Acc", "Oth"]]
    by_seed = comparisons_table(results.comparisons, by_seed=True)
    assert [cell.text for cell in by_seed.rows[0][8:]] == [
        f"{100 * value:+.2f}".replace("-", "−") for value in results.comparisons[0].differences
    ]


def test_published_accuracies_stand_beside_ours() -> None:
    told = {"kd": {"accuracy": 72.57, "source": "Son et al., Table 2"}}
    results = Results.model_validate(made_results(published=told))
    table = measures_table(results)
    assert {cells[0].text: cells[table.head.index("published accuracy")].text for cells in table.rows} == {
        **{name: "–" for name in results.shown},
        "kd": "72.57 %",
    }
    assert any("Son et al., Table 2" in line for line in notes_of(results))


def test_what_cannot_be_compared_is_not_drawn(results: Results, style) -> None:
    assert comparison_figure(results.model_copy(update={"comparisons": ()}), style) is None
    alone = results.comparisons[0].model_copy(update={"low": None, "high": None, "seeds": (0,), "differences": (0.1,)})
    figure = comparison_figure(results.model_copy(update={"comparisons": (alone,)}), style)
    assert figure is not None and not Reading(read_svg(figure.drawings[0])).lines("interval")
