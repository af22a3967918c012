"""Accuracy against the number of draws: marks on a logarithmic axis, the model itself beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.markup import Reading, marks, read_svg, text_of
from support.study_results import DRAWN, METHODS, made_results

from dgkd_cache.report.draws import draws_figure
from dgkd_cache.report.figures import Figure
from dgkd_cache.report.results_file import Results

LABELS = {"equal": "equal weights", "student": "weights by agreement"}


@pytest.fixture(scope="module")
def results() -> Results:
    return Results.model_validate(made_results(DRAWN, seeds=[0, 1, 2]))


@pytest.fixture(scope="module")
def figure(results: Results) -> Figure:
    found = draws_figure(results)
    assert found is not None
    return found


def test_a_study_without_draws_has_none() -> None:
    assert draws_figure(Results.model_validate(made_results(METHODS, seeds=[0]))) is None


@pytest.mark.parametrize("kind", ["wide", "narrow"])
def test_every_variant_is_a_mark_at_its_draws_and_accuracy(results: Results, figure: Figure, kind: str) -> None:
    svg = read_svg(getattr(figure, kind))
    reading = Reading(svg)
    at = {tip.partition(": ")[0]: (x, y) for x, y, tip in marks(svg) if "seed" not in tip}
    names = {"equal weights, model itself": "kd"}
    for group, label in LABELS.items():
        names |= {f"{label}, {count}": f"{group}, {count.split()[0]}" for count in ("1 draw", "4 draws", "16 draws")}
    assert at.keys() == names.keys()
    for words, name in names.items():
        assert reading.y(at[words][1]) == pytest.approx(100 * results.variants[name].test["top1"].mean, abs=0.03)
    ticks = {text_of(one): float(one.attrib["x"]) for one in svg.iter("text") if one.attrib["class"] == "tick x middle"}
    assert [*ticks] == ["model itself", "1", "4", "16"]
    beside = ticks.pop("model itself")
    logs = [math.log(int(text)) for text in ticks]
    slope, start = np.polyfit(logs, [*ticks.values()], 1)
    assert np.allclose(start + slope * np.array(logs), [*ticks.values()], atol=0.02) and slope > 0
    assert beside < ticks["1"] - 30, "a place of its own, left of all numbers"
    assert at["equal weights, model itself"][0] == pytest.approx(beside, abs=0.02)


def test_no_line_leads_to_the_model_itself(figure: Figure) -> None:
    for drawing in figure.drawings:
        svg = read_svg(drawing)
        left = min(float(one.attrib["points"].split(",")[0]) for one in svg.iter("polyline"))
        (itself,) = (x for x, _, tip in marks(svg) if "model itself" in tip)
        assert itself < left - 20 and len([*svg.iter("polyline")]) == 2


def test_the_table_and_the_caption_say_what_is_shown(results: Results, figure: Figure) -> None:
    rows = {cells[1].text: [cell.text for cell in cells] for cells in figure.table.rows}
    assert rows.keys() == DRAWN.keys() - {"scratch"}
    assert rows["kd"][:4] == ["equal weights", "kd", "model itself", "3"]
    assert rows["student, 16"][:4] == ["weights by agreement", "student, 16", "16", "3"]
    for name, cells in rows.items():
        assert cells[4].startswith(f"{100 * results.variants[name].test['top1'].mean:.2f} ± ")
    for promise in ("logarithmic", "sample standard deviation", "no test is made", "model itself, without dropout"):
        assert promise in figure.caption


def test_draws_alone_have_no_place_for_the_model_itself() -> None:
    few = {name: DRAWN[name] for name in ("scratch", "equal, 4")}
    found = draws_figure(Results.model_validate(made_results(few, seeds=[0])))
    assert found is not None and found.wide is not None and "model itself" not in found.caption
    texts = [text_of(one) for one in read_svg(found.wide).iter("text") if one.attrib["class"] == "tick x middle"]
    assert texts == ["4"] and [text for text, _ in found.legend] == ["under teacher"]
