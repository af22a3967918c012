"""Paired differences: what the drawings show, read by their ticks, is what scipy and the results say."""

from __future__ import annotations

import pytest
from scipy import stats
from support.markup import AXIS, Reading, marks, read_svg
from support.study_results import made_results, percents_of

from dgkd_cache.report.differences import comparison_figure, comparisons_table
from dgkd_cache.report.page import sections_of
from dgkd_cache.report.results_file import Results


def test_intervals_are_those_of_scipy(results: Results, style) -> None:
    figure = comparison_figure(results, style)
    assert figure is not None
    for drawing in figure.drawings:
        svg = read_svg(drawing)
        reading = Reading(svg)
        for one in results.comparisons:
            test = stats.ttest_rel(percents_of(results, one.variant), percents_of(results, one.reference))
            low, high = test.confidence_interval(0.95)
            (line,) = (line for line in reading.lines(f"interval {style[one.variant].colour}") if line[1] == line[3])
            assert [reading.x(line[0]), reading.x(line[2])] == pytest.approx([low, high], abs=AXIS)
            y = line[1]
            large = [x for x, at, tip in marks(svg, style[one.variant].colour) if at == y and "seed" not in tip]
            assert [reading.x(x) for x in large] == pytest.approx([(low + high) / 2], abs=AXIS)
            small = sorted(reading.x(x) for x, at, tip in marks(svg, style[one.variant].colour) if "seed" in tip)
            assert small == pytest.approx(sorted(100 * value for value in one.differences), abs=AXIS)


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


def test_what_cannot_be_compared_is_not_drawn(results: Results, style) -> None:
    assert comparison_figure(results.model_copy(update={"comparisons": ()}), style) is None
    alone = results.comparisons[0].model_copy(update={"low": None, "high": None, "seeds": (0,), "differences": (0.1,)})
    figure = comparison_figure(results.model_copy(update={"comparisons": (alone,)}), style)
    assert figure is not None and not Reading(read_svg(figure.drawings[0])).lines("interval")
