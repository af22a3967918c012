"""Accuracy against sparsity: the marks, the lines and the table of a study that prunes in four ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.markup import Reading, marks, read_svg, text_of
from support.study_results import METHODS, PRUNED, made_results

from dgkd_cache.report.figures import Figure
from dgkd_cache.report.pruning import pruning_figure
from dgkd_cache.report.results_file import Results

LABELS = {
    "magnitude": "by magnitude, retrained without guides",
    "gradient": "by gradient, retrained without guides",
    "one guide": "by gradient under 1 guide",
    "two guides": "by gradient under 2 guides",
}


@pytest.fixture(scope="module")
def results() -> Results:
    return Results.model_validate(made_results(PRUNED, seeds=[0, 1, 2]))


@pytest.fixture(scope="module")
def figure(results: Results) -> Figure:
    found = pruning_figure(results)
    assert found is not None
    return found


def test_a_study_that_prunes_nothing_has_none() -> None:
    assert pruning_figure(Results.model_validate(made_results(METHODS, seeds=[0]))) is None


@pytest.mark.parametrize("kind", ["wide", "narrow"])
def test_every_variant_is_a_mark_at_its_sparsity_and_accuracy(results: Results, figure: Figure, kind: str) -> None:
    svg = read_svg(getattr(figure, kind))
    reading = Reading(svg)
    at = {tip.partition(": ")[0]: (x, y) for x, y, tip in marks(svg) if "seed" not in tip}
    names = {"small net": "small net"}
    for group, label in LABELS.items():
        for sparsity in ("0.5", "0.8", "0.9", "0.95"):
            names[f"{label}, {100 * float(sparsity):g} % removed"] = f"{group}, {sparsity}"
    assert at.keys() == names.keys()
    for words, name in names.items():
        assert reading.y(at[words][1]) == pytest.approx(100 * results.variants[name].test["top1"].mean, abs=0.03)
    ticks = {text_of(one): float(one.attrib["x"]) for one in svg.iter("text") if one.attrib["class"] == "tick x middle"}
    assert [*ticks] == ["0", "50", "80", "90", "95"]
    kept = [math.log(1 - float(text) / 100) for text in ticks]
    slope, start = np.polyfit(kept, [*ticks.values()], 1)
    assert slope < 0 and np.allclose(start + slope * np.array(kept), [*ticks.values()], atol=0.02), (
        "in the kept weights"
    )
    for text, x in ticks.items():
        around = [place for words, (place, _) in at.items() if words.endswith(f" {text} % removed")]
        assert len(around) == (0 if text == "0" else 4) and (
            not around or np.mean(around) == pytest.approx(x, abs=0.02)
        )
    assert at["small net"][0] == pytest.approx(ticks["0"], abs=0.02)


def test_the_source_is_a_line_across_and_in_the_legend(figure: Figure) -> None:
    assert [text for text, _ in figure.legend] == [*LABELS.values(), "small net, not pruned"]
    looks = [(style.colour, style.shape, style.dash) for _, style in figure.legend]
    for part in range(2):
        assert len({look[part] for look in looks}) == 5, "colours and markers all differ"
    assert len({look[2] for look in looks}) == 5, "and so do patterns"
    for drawing in figure.drawings:
        svg = read_svg(drawing)
        (across,) = (one for one in svg.iter("polyline") if "reference" in one.attrib["class"].split())
        heights = {pair.split(",")[1] for pair in across.attrib["points"].split()}
        (mark,) = (y for _, y, tip in marks(svg) if tip.startswith("small net: "))
        assert {float(height) for height in heights} == {mark}


def test_the_table_and_the_caption_say_what_is_shown(results: Results, figure: Figure) -> None:
    rows = {cells[1].text: [cell.text for cell in cells] for cells in figure.table.rows}
    assert rows.keys() == PRUNED.keys()
    assert rows["small net"][:5] == ["not pruned", "small net", "0 %", "all", "3"]
    assert rows["two guides, 0.95"][:5] == [LABELS["two guides"], "two guides, 0.95", "95 %", "150 of 3,000", "3"]
    for name, cells in rows.items():
        one = results.variants[name].test["top1"]
        assert one.deviation is not None and cells[5] == f"{100 * one.mean:.2f} ± {100 * one.deviation:.2f} %"
    for promise in ("logarithmic", "sample standard deviation", "no test is made", "small net", "nothing is removed"):
        assert promise in figure.caption


def test_two_sources_and_a_sparsity_of_nought() -> None:
    prune = {"method": "scratch", "criterion": "magnitude"}
    variants = {
        "net": {"method": "scratch"},
        "guided net": {"method": "kd"},
        "tuned": {**prune, "prunes": "net", "sparsity": 0.0},
        "half": {**prune, "prunes": "net", "sparsity": 0.5},
        "half of guided": {**prune, "prunes": "guided net", "sparsity": 0.975},
    }
    found = pruning_figure(Results.model_validate(made_results(variants, seeds=[0, 1])))
    assert found is not None and found.wide is not None
    assert [text for text, _ in found.legend] == [
        "of net",
        "of guided net",
        "net, not pruned",
        "guided net, not pruned",
    ]
    assert "Dashed lines are net and guided net" in found.caption
    svg = read_svg(found.wide)
    at = {tip.partition(": ")[0]: x for x, _, tip in marks(svg) if "seed" not in tip}
    assert len({at[words] for words in ("net", "guided net", "of net, 0 % removed")}) == 3, "side by side at 0"
    assert "of guided net, 97.5 % removed" in at
    assert len([one for one in svg.iter("polyline") if "reference" not in one.attrib["class"]]) == 1


def test_a_source_without_a_finished_run_is_left_out() -> None:
    content = made_results(PRUNED, seeds=[0, 1])
    content["variants"]["small net"] |= {"runs": {}, "test": {}}
    found = pruning_figure(Results.model_validate(content))
    assert found is not None and [text for text, _ in found.legend] == [*LABELS.values()]
    assert "dashed" not in found.caption.lower()
