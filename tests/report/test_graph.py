"""Who guides whom: each arc is a guide of a record, and variants with the same guides share a panel."""

from __future__ import annotations

from support.markup import read_svg, text_of
from support.study_results import METHODS, made_results

from dgkd_cache.report.graph import chains_of, graph_figure
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
