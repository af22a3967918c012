"""Accuracy: what the drawings show, read by their ticks, and the tables, is what the results say."""

from __future__ import annotations

import pytest
from support.markup import AXIS, Reading, marks, read_svg
from support.study_results import made_results, percents_of

from dgkd_cache.report.accuracy import accuracy_figure, measures_table, runs_table, variants_table
from dgkd_cache.report.labels import notes_of
from dgkd_cache.report.results_file import Results


def test_every_run_is_a_marker_at_its_accuracy(results: Results, style) -> None:
    figure = accuracy_figure(results, style)
    for drawing in figure.drawings:
        svg = read_svg(drawing)
        reading = Reading(svg)
        found = sorted(reading.x(x) for x, _, _ in marks(svg, "run"))
        assert found == pytest.approx(
            sorted(one for name in results.shown for one in percents_of(results, name)), abs=AXIS
        )
        for name in results.shown:
            at = [reading.x(x) for x, _, _, _ in reading.lines(f"mean {style[name].colour}")]
            assert at == pytest.approx([sum(percents_of(results, name)) / 5], abs=AXIS)


def test_the_tables_have_the_same_numbers(results: Results) -> None:
    table = variants_table(results)
    rows = {cells[0].text: [cell.text for cell in cells] for cells in table.rows}
    assert [*rows][0] == "scratch (reference)" and len(rows) == 12
    for one in results.comparisons:
        values = percents_of(results, one.variant)
        cells = rows[one.variant]
        assert cells[2].startswith(f"{sum(values) / 5:.2f} ± ")
        assert float(cells[3]) == pytest.approx(100 * (one.mean or 0), abs=0.005)
        assert cells[6] == one.verdict
    assert len(runs_table(results).rows) == 60
    other = measures_table(results)
    assert other.head == ("variant", "top-5 accuracy", "NLL", "ECE"), "nothing is held out, and no best epoch is told"


def test_published_accuracies_stand_beside_ours() -> None:
    told = {"kd": {"accuracy": 72.57, "source": "Son et al., Table 2"}}
    results = Results.model_validate(made_results(published=told))
    table = measures_table(results)
    assert {cells[0].text: cells[table.head.index("published accuracy")].text for cells in table.rows} == {
        **{name: "–" for name in results.shown},
        "kd": "72.57 %",
    }
    assert any("Son et al., Table 2" in line for line in notes_of(results))
