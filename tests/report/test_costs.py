"""Costs: sums over students and guides, each guide once, and marks at their accuracies."""

from __future__ import annotations

import itertools

import pytest
from support.markup import Reading, marks, read_svg
from support.study_results import PRUNED, made_results, made_timings

from dgkd_cache.report.costs import costs_figures
from dgkd_cache.report.palette import styles
from dgkd_cache.report.results_file import Results


def test_marks_stand_at_cost_and_accuracy(results: Results, content, style) -> None:
    times = made_timings(content)
    samples, seconds = costs_figures(results, times, style)
    assert (samples.key, seconds.key) == ("samples", "seconds")
    for figure in (samples, seconds):
        for drawing in figure.drawings:
            svg = read_svg(drawing)
            reading = Reading(svg)
            assert len(marks(svg)) == 12
            for x, y, tip in marks(svg):
                name = tip.rpartition(": ")[0]
                mean = 100 * results.variants[name].test["top1"].mean
                assert reading.y(y) == pytest.approx(mean, abs=0.05)
                cost = results.variants[name].cost
                exact = (cost["trained_samples"] or 0) + (cost["guides_trained_samples"] or 0)
                if figure is seconds:
                    guides = {"scratch": "", "takd": "at", "dgkd": "at", "dgkd+drop": "at"}.get(name, "t")
                    runs = [*content["variants"][name]["runs"].values()]
                    trained = [times[run]["seconds"] for run in [*runs, *guides]]
                    exact = (sum(trained) + 10 * len(guides)) / 60
                # Marks of equal costs stand side by side, 13 pixels apart at most.
                assert abs(reading.x(x) - exact) <= 13 * 6 * abs(reading.axis("x")[1])


def test_marks_of_other_costs_keep_their_order(results: Results, style) -> None:
    (samples,) = costs_figures(results, {}, style)
    for drawing in samples.drawings:
        at = {tip.rpartition(": ")[0]: x for x, _, tip in marks(read_svg(drawing))}
        assert len({round(x, 1) for x in at.values()}) == 12, "no mark covers another"
        for one, other in itertools.permutations(at, 2):
            costs = [sum(results.variants[name].cost[key] or 0 for key in KEYS) for name in (one, other)]
            assert at[one] < at[other] or costs[0] >= costs[1], f"{one} is right of {other} and costs less"


KEYS = ("trained_samples", "guides_trained_samples")


def test_a_time_that_is_not_known_is_left_out(results: Results, content, style) -> None:
    times = made_timings(content)
    del times["a"]["dump_seconds"]
    _, figure = costs_figures(results, times, style)
    rows = {cells[0].text: [cell.text for cell in cells[1:]] for cells in figure.table.rows}
    assert rows["dgkd"][2] == "–" != rows["kd"][2] and "not in it" in figure.caption
    del times["a"]
    _, figure = costs_figures(results, times, style)
    rows = {cells[0].text: [cell.text for cell in cells[1:]] for cells in figure.table.rows}
    assert rows["dgkd"][1:] == ["–", "–", "–"] and "–" not in rows["kd"]
    tips = {tip.rpartition(": ")[0] for _, _, tip in marks(read_svg(figure.drawings[0]))}
    assert "kd" in tips and not tips & {"takd", "dgkd", "dgkd+drop"}


def test_the_table_of_costs_is_that_of_the_results(results: Results, style) -> None:
    (samples,) = costs_figures(results, {}, style)
    cost = results.variants["dgkd"].cost
    (cells,) = (cells for cells in samples.table.rows if cells[0].text == "dgkd")
    assert [int(cell.text.replace(",", "")) for cell in cells[2:]] == [
        cost[key]
        for key in (
            *("epochs", "guides_epochs", "steps", "guides_steps", "trained_samples", "guides_trained_samples"),
            *("guide_rows", "guides_guide_rows", "guide_forwards", "guide_forwards_saved", "cache_bytes"),
        )
    ]


def test_what_is_pruned_is_said_to_count_with_the_guides(results: Results, content, style) -> None:
    pruned = made_results(PRUNED, seeds=[0])
    found = Results.model_validate(pruned)
    for figure in costs_figures(found, made_timings(pruned), styles(found.order, found.reference)):
        assert "pruned from" in figure.caption
    assert not any("pruned" in figure.caption for figure in costs_figures(results, made_timings(content), style))
