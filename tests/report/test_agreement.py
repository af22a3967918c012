"""Agreement with guides: means over seeds, read back from the drawings."""

from __future__ import annotations

import statistics

import pytest
from support.markup import Reading, marks, read_svg
from support.study_results import DRAWN, made_results

from dgkd_cache.report.agreement import agreement_figures, pairs_of
from dgkd_cache.report.palette import styles
from dgkd_cache.report.results_file import Results


def test_each_variant_has_each_of_its_guides(results: Results) -> None:
    pairs = {(pair.variant, pair.guide) for pair in pairs_of(results)}
    assert {pair for pair in pairs if pair[0] in ("kd", "takd", "dgkd")} == {
        ("kd", "teacher"),
        ("takd", "ta1"),
        ("dgkd", "teacher"),
        ("dgkd", "ta1"),
    }
    assert not any(variant == "scratch" for variant, _ in pairs)


@pytest.mark.parametrize(("index", "key", "scale"), [(0, "top1", 100), (1, "kl", 1)])
def test_marks_are_the_means_over_seeds(results: Results, content, style, index: int, key: str, scale: float) -> None:
    figure = agreement_figures(results, style)[index]
    for drawing in figure.drawings:
        svg = read_svg(drawing)
        reading, order = Reading(svg), [(pair.variant, pair.guide) for pair in pairs_of(results)]
        rows = sorted({y for _, y, _ in marks(svg)})
        for part, css in (("test", "mark"), ("view 0", "mark hollow")):
            hollow = {(x, y) for x, y, _ in marks(svg, "mark hollow")}
            for x, y, _ in marks(svg, css):
                if part == "test" and (x, y) in hollow:
                    continue
                variant, guide = order[rows.index(y)]
                store = {"teacher": "t-store", "ta1": "a-store"}[guide]
                runs = content["variants"][variant]["runs"].values()
                values = [content["runs"][run]["agreement"][store][part][key] for run in runs]
                assert reading.x(x) == pytest.approx(scale * statistics.fmean(values), abs=0.001 * scale)


def test_students_without_guides_have_no_figure() -> None:
    alone = Results.model_validate(made_results({"a": {"method": "scratch"}, "b": {"method": "scratch", "lr": 0.1}}))
    assert agreement_figures(alone, {}) == []


def test_draws_of_a_guide_are_one_row_with_their_mean() -> None:
    content = made_results(DRAWN, seeds=[0, 1, 2])
    results = Results.model_validate(content)
    pairs = {pair.variant: pair for pair in pairs_of(results)}
    assert pairs.keys() == DRAWN.keys() - {"scratch"}
    assert {name: pair.draws for name, pair in pairs.items()} == {name: DRAWN[name].get("draws", 0) for name in pairs}
    figures = agreement_figures(results, styles(results.order, results.reference))
    rows = {cells[0].text: [cell.text for cell in cells] for cells in figures[0].table.rows}
    for name in pairs:
        runs = content["variants"][name]["runs"].values()
        values = [one["test"]["top1"] for run in runs for one in content["runs"][run]["agreement"].values()]
        assert len(values) == 3 * max(1, pairs[name].draws)
        assert rows[name][1:5] == [
            "teacher",
            str(pairs[name].draws or "–"),
            "3",
            f"{100 * statistics.fmean(values):.2f} %",
        ]
    assert pairs["equal, 16"].label == "equal, 16 ← teacher, 16 draws" and pairs["kd"].label == "kd ← teacher"
    assert all("mean over them" in figure.caption for figure in figures)


def test_other_studies_have_no_word_of_draws(results: Results, style) -> None:
    for figure in agreement_figures(results, style):
        assert "draw" not in figure.caption + "".join(figure.table.head)
