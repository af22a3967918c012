"""Chains: each arc is a guide of a record, and variants with the same guides share a panel."""

from __future__ import annotations

from typing import Any

import pytest
from support.markup import read_page, read_svg, table_texts, text_of
from support.study_results import DRAWN, METHODS, PRUNED, made_results

from dgkd_cache.report.graph import chains_of, graph_figure
from dgkd_cache.report.page import make_page
from dgkd_cache.report.palette import styles
from dgkd_cache.report.results_file import Results


def test_arcs_are_the_guides_of_the_records() -> None:
    results = Results.model_validate(made_results(METHODS | {"kd, hot": {"method": "kd", "temperature": 8.0}}))
    chains = {chain.variants: chain for chain in chains_of(results)}
    assert [*chains] == [("scratch",), ("kd", "kd, hot"), ("takd",), ("dgkd",), ("dgkd+drop",)]
    for chain in chains.values():
        for place, run in enumerate(chain.runs):
            guides = [chain.runs[guide].run for guide, learner, _ in chain.edges if learner == place]
            assert guides == [*run.guide_runs]
            assert all(guide < learner for guide, learner, _ in chain.edges), "guides come first"
    assert [drops for _, learner, drops in chains["dgkd+drop",].edges if learner == 2] == [True, True]
    assert not any(drops for _, _, drops in chains["dgkd",].edges)


def test_the_drawing_has_a_node_for_each_model_and_an_arc_for_each_guide(results: Results, style) -> None:
    figure = graph_figure(results, style)
    for panel, chain in zip(figure.panels, chains_of(results), strict=True):
        svg = read_svg(panel.drawing)
        paths = [path.attrib["class"].split() for path in svg.iter("path")]
        assert sum("node" in css for css in paths) == len(chain.runs)
        assert sum("edge" in css for css in paths) == sum("arrow" in css for css in paths) == len(chain.edges)
        told = [text_of(path) for path in svg.iter("path") if path.attrib["class"] == "arrow"]
        assert sorted(told) == sorted(text_of(svg[1]).split("; ")) if told else "no guide" in text_of(svg[1])


def test_chains_per_seed_say_which_seed_is_drawn() -> None:
    results = Results.model_validate(made_results(seeds=[3, 4], guides="per-seed"))
    figure = graph_figure(results, styles(results.order, results.reference))
    assert all("seed 3" in panel.note for panel in figure.panels)


MARKED: dict[str, dict[str, object]] = {
    "scratch": {"method": "scratch"},
    "dgkd": {"method": "dgkd", "dropping": "none"},
    "hot": {"method": "dgkd", "dropping": "none", "temperature": 8.0},
    "shuffled": {"guides_from": "dgkd", "control": "shuffled"},
    "smoothed": {"guides_from": "dgkd", "control": "smoothed-labels"},
    "live": {"guides_from": "dgkd", "live": True},
    "live, drop": {"guides_from": "dgkd", "live": True, "dropping": "bernoulli"},
}


@pytest.fixture(scope="module")
def marked() -> Any:
    """The figure of MARKED as a page has it: its results, its element, and its panels by what stands above them."""
    content = made_results(MARKED)
    root = read_page(make_page(Results.model_validate(content), {}, verdict="", title="", command="", version=""))
    (figure,) = (one for one in root.iter("figure") if one.attrib["id"] == "fig-chain")
    panels = {text_of(one[0]): one for one in figure.iter("div") if one.attrib.get("class") == "panel"}
    return content, figure, panels


def classes_of(panel: Any, css: str) -> list[set[str]]:
    found = [{*path.attrib.get("class", "").split()} for path in panel.iter("path")]
    return [one for one in found if css in one]


def test_controls_and_live_guides_have_panels_of_their_own(marked: Any) -> None:
    _, figure, panels = marked
    assert [*panels] == [
        "scratch",
        "dgkdhot",
        "shuffledcontrol shuffled: each sample has the rows of a random one",
        "smoothedcontrol smoothed-labels: each row is the label, smoothed to the mean entropy of the guide's rows",
        "livelive: the student's guides run at each step, and no row is read",
        "live, droplive: the student's guides run at each step, and no row is read",
    ]
    caption = text_of(next(figure.iter("figcaption")))
    assert "runs live at each step, without a cache" in caption and "rows a control has changed" in caption


def test_arcs_to_the_student_tell_a_cache_from_changed_rows_and_live_guides(marked: Any) -> None:
    """The teacher guides the assistant from its cache in all of them; two arcs lead to the student."""
    _, figure, panels = marked
    plain, shuffled, smoothed, live, drop = [*panels.values()][1:]
    for panel, bars, kinds in (
        (plain, 0, [{"edge"}] * 3),
        (shuffled, 2, [{"edge"}] * 3),
        (smoothed, 2, [{"edge"}] * 3),
        (live, 0, [{"edge"}, {"edge", "live"}, {"edge", "live"}]),
        (drop, 0, [{"edge"}, {"edge", "live", "drops"}, {"edge", "live", "drops"}]),
    ):
        assert len(classes_of(panel, "changed")) == bars
        assert sorted(classes_of(panel, "edge"), key=len) == kinds
    told = [text_of(one) for one in shuffled.iter("path") if one.attrib.get("class") == "changed"]
    assert told == [f"{guide} guides student with changed rows (shuffled)" for guide in ("teacher", "ta1")]
    assert sum("(live)" in text_of(path) for path in live.iter("path") if path.attrib.get("class") == "arrow") == 2


def test_a_bar_stands_on_its_arc(marked: Any) -> None:
    """The middle of a Bezier curve, computed by halving its sides."""
    _, _, panels = marked
    panel = [*panels.values()][2]
    arcs = [path.attrib["d"] for path in panel.iter("path") if path.attrib.get("class") == "edge"]
    middles = []
    for d in arcs:
        start, _, rest = d.removeprefix("M").partition("C")
        points = [float(one) for one in f"{start} {rest}".split()]
        pairs = [*zip(points[::2], points[1::2], strict=True)]
        while len(pairs) > 1:
            pairs = [((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in zip(pairs, pairs[1:], strict=False)]
        middles += pairs
    for path in panel.iter("path"):
        if path.attrib.get("class") == "changed":
            x, y = map(float, path.attrib["d"].removeprefix("M").removesuffix("h10").split())
            assert any(abs(x + 5 - a) < 0.2 and abs(y - b) < 0.2 for a, b in middles)


def test_the_table_has_a_line_for_each_student_and_says_what_it_learns_from(marked: Any) -> None:
    content, figure, _ = marked
    head, *rows = table_texts(next(figure.iter("table")))
    found = {row[0]: dict(zip(head, row, strict=True)) for row in rows if row[1] == "student"}
    assert {name: row["learns from"] for name, row in found.items()} == {
        "scratch": "–",
        "dgkd": "cached logits",
        "hot": "cached logits",
        "shuffled": "changed rows (shuffled)",
        "smoothed": "changed rows (smoothed-labels)",
        "live": "live guides",
        "live, drop": "live guides",
    }
    for name, row in found.items():
        top1 = content["runs"][content["variants"][name]["runs"]["0"]]["test"]["top1"]
        assert row["test accuracy"] == f"{100 * top1:.2f} %"
    assert {row[head.index("learns from")] for row in rows if row[1] == "ta1"} == {"cached logits"}


def test_a_panel_of_several_variants_has_the_range_of_their_accuracies(marked: Any) -> None:
    content, _, panels = marked
    top1 = [content["runs"][content["variants"][name]["runs"]["0"]]["test"]["top1"] for name in ("dgkd", "hot")]
    texts = [text_of(one) for one in [*panels.values()][1].iter("text")]
    assert f"{100 * min(top1):.2f} to {100 * max(top1):.2f} %" in texts


def texts_of(variants: dict[str, dict[str, object]]) -> tuple[Any, dict[tuple[str, ...], list[str]]]:
    """Returns the figure of a study, and the texts of each panel's drawing by the names above it."""
    results = Results.model_validate(made_results(variants, seeds=[0, 1]))
    figure = graph_figure(results, styles(results.order, results.reference))
    panels = {tuple(name for name, _ in panel.names): panel for panel in figure.panels}
    return figure, {
        names: [text_of(one) for one in read_svg(panel.drawing).iter("text")] for names, panel in panels.items()
    }


def test_draws_of_a_model_are_one_guide() -> None:
    figure, panels = texts_of(DRAWN)
    assert [*panels] == [
        ("scratch",),
        ("kd",),
        *(tuple(f"{kind}, {draws}" for kind in ("equal", "student")) for draws in (1, 4, 16)),
    ]
    for names, texts in panels.items():
        told = [text for text in texts if text.startswith("read as ")]
        draws = DRAWN[names[0]].get("draws")
        assert told == ([f"read as {draws} draw{'s' * (draws != 1)}"] if draws else [])
        assert sum("teacher" in text for text in texts) == (names != ("scratch",))
    learns = {cells[0].text: cells[6].text for cells in figure.table.rows if cells[1].text == "student"}
    assert learns["equal, 16"] == "cached logits of 16 draws" and learns["equal, 1"] == "cached logits of 1 draw"
    assert learns["kd"] == "cached logits" and "one guide here" in figure.caption
    (panel,) = (panel for panel in figure.panels if panel.names[0][0] == "equal, 16")
    assert panel.drawing.text == "teacher guides student (16 draws)"


def test_a_pruned_student_says_what_it_is_pruned_from() -> None:
    figure, panels = texts_of(PRUNED)
    kinds = ("magnitude", "gradient", "one guide", "two guides")
    assert [*panels] == [
        ("small net",),
        *(tuple(f"{kind}, {sparsity}" for sparsity in (0.5, 0.8, 0.9, 0.95)) for kind in kinds),
    ]
    notes = {panel.names[0][0].partition(",")[0]: panel.note for panel in figure.panels}
    under = "pruned by gradient under the guides from small net"
    assert notes == {
        "small net": "",
        "magnitude": "pruned by magnitude from small net",
        "gradient": "pruned by gradient from small net",
        "one guide": under,
        "two guides": under,
    }
    for names, texts in panels.items():
        assert ("50 to 95 % removed" in texts) == (names != ("small net",))
    head, pruned = figure.table.head, {cells[0].text: cells[-1].text for cells in figure.table.rows}
    assert head[-1] == "pruned" and {len(cells) for cells in figure.table.rows} == {len(head)}
    assert pruned["small net"] == "–" and pruned["gradient, 0.9"] == "90 % by gradient from small net"
    (one,) = (panel for panel in figure.panels if panel.names[0][0] == "two guides, 0.5")
    assert one.drawing.text == "teacher guides ta1; teacher guides student; ta1 guides student"


def test_texts_of_a_panel_fit_and_do_not_cover_each_other() -> None:
    for variants in (DRAWN, PRUNED):
        results = Results.model_validate(made_results(variants, seeds=[0]))
        for panel in graph_figure(results, styles(results.order, results.reference)).panels:
            texts = [one for one in read_svg(panel.drawing).iter("text")]
            at = [float(one.attrib["y"]) for one in texts]
            assert all(after - before >= 12 for before, after in zip(at, at[1:], strict=False))
            assert max(at) <= panel.drawing.height - 3 and not any("…" in text_of(one) for one in texts)


def test_a_source_that_the_results_do_not_have_is_told_by_its_run() -> None:
    content = made_results(PRUNED, seeds=[0])
    for name in ("magnitude, 0.5", "magnitude, 0.8"):
        for run in content["variants"][name]["runs"].values():
            content["runs"][run]["source_run"] = "elsewhere"
    results = Results.model_validate(content)
    notes = [panel.note for panel in graph_figure(results, styles(results.order, results.reference)).panels]
    assert notes.count("pruned by magnitude from elsewhere") == 1
    assert notes.count("pruned by magnitude from small net") == 1


def test_other_studies_have_no_word_of_draws_and_pruning(results: Results, style) -> None:
    figure = graph_figure(results, style)
    assert "pruned" not in figure.caption and "draws" not in figure.caption and figure.table.head[-1] == "dropping"
