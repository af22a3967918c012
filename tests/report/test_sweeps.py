"""Sweeps: which variants form one, and where their marks stand."""

from __future__ import annotations

import pytest
from support.markup import Reading, marks, read_svg, text_of
from support.study_results import DRAWN, METHODS, PRUNED, made_results

from dgkd_cache.report.palette import styles
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.sweeps import find_sweeps, sweeps_figure


def found(variants: dict[str, dict[str, object]]) -> dict[str, list[tuple[str, object]]]:
    results = Results.model_validate(made_results(variants, seeds=[0, 1]))
    return {sweep.key: [*sweep.values] for sweep in find_sweeps(results)}


def test_the_methods_are_two_sweeps() -> None:
    assert found(METHODS) == {
        "method": [("kd", "kd"), ("takd", "takd"), ("dgkd", "dgkd")],
        "dropping": [("dgkd", "none"), ("dgkd+drop", "bernoulli")],
    }


def test_numbers_are_in_order_and_a_default_takes_part() -> None:
    kd = {"method": "kd", "dropping": "none"}
    variants = {
        "high": {**kd, "lambda": 0.9},
        "kd": kd,
        "low": {**kd, "lambda": 0.1},
        "hot": {**kd, "temperature": 8.0},
    }
    sweeps = found(variants)
    assert sweeps["lambda"] == [("low", 0.1), ("kd", 0.5), ("high", 0.9)], "the record of kd says lambda 0.5"
    assert sweeps["temperature"] == [("kd", 4.0), ("hot", 8.0)]


def test_two_differences_are_no_sweep() -> None:
    assert found({"a": {"method": "kd", "lambda": 0.1}, "b": {"method": "takd", "lambda": 0.2}}) == {}
    one = Results.model_validate(made_results({"a": {"method": "kd"}, "b": {"method": "scratch", "lambda": 0.4}}))
    assert sweeps_figure(one, styles(one.order, one.reference)) is None


GUIDED: dict[str, dict[str, object]] = {
    "scratch": {"method": "scratch"},
    "dgkd": {"method": "dgkd", "dropping": "none"},
    "shuffled": {"guides_from": "dgkd", "control": "shuffled"},
    "smoothed": {"method": "dgkd", "dropping": "none", "control": "smoothed-labels"},
    "live": {"guides_from": "dgkd", "live": True},
    "strong": {"guides_from": "dgkd", "lambda": 0.9},
}


def test_the_variant_without_a_control_or_live_guides_takes_part() -> None:
    assert found(GUIDED) == {
        "control": [("dgkd", "none"), ("shuffled", "shuffled"), ("smoothed", "smoothed-labels")],
        "live": [("dgkd", False), ("live", True)],
        "lambda": [("dgkd", 0.5), ("strong", 0.9)],
    }, "guides_from alone changes nothing: smoothed has the same guides, without it"
    other = {"guides_from": "dgkd", "control": "shuffled", "lambda": 0.9}
    few = {name: GUIDED[name] for name in ("scratch", "dgkd", "strong")} | {"other": other}
    assert found(few) == {
        "lambda": [("dgkd", 0.5), ("strong", 0.9)],
        "control": [("strong", "none"), ("other", "shuffled")],
    }
    own = {"lambda 0.9": {"method": "dgkd", "dropping": "none", "lambda": 0.9}}
    few = {name: GUIDED[name] for name in ("dgkd", "strong")} | own
    results = Results.model_validate(made_results(few, seeds=[0, 1]))
    assert [{name for name, _ in sweep.values} for sweep in find_sweeps(results)] == [
        {"dgkd", "lambda 0.9"},
        {"dgkd", "strong"},
    ], "what changes the guides too is no point of a sweep of the student alone"


def test_every_mark_of_a_choice_has_its_label_as_toml_has_it() -> None:
    results = Results.model_validate(made_results(GUIDED))
    figure = sweeps_figure(results, styles(results.order, results.reference))
    assert figure is not None
    panels = {panel.names[0][0]: read_svg(panel.drawing) for panel in figure.panels}
    controls = {"none": "dgkd", "shuffled": "shuffled", "smoothed-labels": "smoothed"}
    for key, values in (("control", controls), ("live", {"false": "dgkd", "true": "live"})):
        svg = panels[key]
        texts = [one for one in svg.iter("text") if one.attrib["class"] == "tick x middle"]
        labels = {text_of(one): float(one.attrib["x"]) for one in texts}
        assert [*labels] == [*values]
        means = {tip.partition(":")[0]: (x, y) for x, y, tip in marks(svg) if "seed" not in tip}
        heights = {value: y for value, (_, y) in ((value, means[f"{key} = {value}"]) for value in values)}
        assert {value: means[f"{key} = {value}"][0] for value in values} == pytest.approx(labels)
        accuracy = {value: results.variants[name].test["top1"].mean for value, name in values.items()}
        assert max(heights, key=heights.__getitem__) == min(accuracy, key=accuracy.__getitem__), "y goes down"
        assert [cells[1].text for cells in figure.table.rows if cells[0].text == key] == [*values]


def test_marks_stand_at_value_and_accuracy() -> None:
    kd = {"method": "kd"}
    variants = {f"lr {value}": {**kd, "lr": value} for value in (0.001, 0.01, 0.1)}
    variants |= {f"T {value}": {**kd, "lr": 0.1, "temperature": value} for value in (2.0, 6.0)}
    results = Results.model_validate(made_results(variants))
    figure = sweeps_figure(results, styles(results.order, results.reference))
    assert figure is not None
    panels = {panel.names[0][0]: panel for panel in figure.panels}
    svg = read_svg(panels["temperature"].drawing)
    reading = Reading(svg)
    for x, y, tip in marks(svg):
        if "seed" not in tip:
            value = float(tip.removeprefix("temperature = ").partition(":")[0])
            name = {4.0: "lr 0.1"}.get(value, f"T {value}")
            assert reading.x(x) == pytest.approx(value, abs=0.02)
            assert reading.y(y) == pytest.approx(100 * results.variants[name].test["top1"].mean, abs=0.05)
    at = [x for x, _, tip in marks(read_svg(panels["lr"].drawing)) if "seed" not in tip]
    assert at[1] - at[0] == pytest.approx(at[2] - at[1], abs=0.02), "learning rates stand on a logarithmic axis"


def test_what_the_figures_of_pruning_and_draws_show_is_not_drawn_again() -> None:
    def keys(variants: dict[str, dict[str, object]]) -> list[str]:
        results = Results.model_validate(made_results(variants, seeds=[0, 1]))
        figure = sweeps_figure(results, styles(results.order, results.reference))
        return [cells[0].text for cells in figure.table.rows] if figure else []

    assert {"sparsity", "criterion", "method"} <= found(PRUNED).keys() and keys(PRUNED) == []
    assert "draws" in found(DRAWN) and keys(DRAWN) == []
    hot = {name: {**DRAWN["equal, 4"], "temperature": value} for name, value in (("T 2", 2.0), ("T 8", 8.0))}
    assert keys({**DRAWN, **hot}) == ["temperature"] * 3, "a number has an axis of its own"
    assert keys({**DRAWN, "takd": {"method": "takd", "dropping": "none"}}) == ["method"] * 2, "not all are there"
