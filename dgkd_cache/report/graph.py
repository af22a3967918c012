"""Who guides whom: the models of a variant one below the other, and an arc from each guide to what learns from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Figure, Panel, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Results, Run

__all__ = ["Chain", "chains_of", "graph_figure"]

_WIDTH, _AXIS, _ROW, _TOP = 290, 92, 44, 22


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The models of one or more variants: runs, guides first, and who guides whom."""

    variants: tuple[str, ...]
    seed: int
    runs: tuple[Run, ...]
    edges: tuple[tuple[int, int, bool], ...]
    """(guide, learner, whether the learner drops guides), as positions in `runs`."""


def chains_of(results: Results) -> list[Chain]:
    """Returns the chains of all variants at the first seed of each; variants with the same guides share one."""
    found: dict[tuple[object, ...], Chain] = {}
    for name in results.shown:
        seed, student = next(iter(results.students(name).items()))
        runs = _ordered(results, student)
        place = {run.run: index for index, run in enumerate(runs)}
        edges = tuple(
            (place[guide], index, _drops(run))
            for index, run in enumerate(runs)
            for guide in run.guide_runs
            if guide in place
        )
        key = (tuple(run.run for run in runs[:-1]), edges, student.architecture)
        before = found.get(key)
        variants = (*before.variants, name) if before else (name,)
        found[key] = Chain(variants=variants, seed=seed, runs=before.runs if before else runs, edges=edges)
    return [*found.values()]


def _ordered(results: Results, student: Run) -> tuple[Run, ...]:
    """Returns a student after its guides, each after its own guides, largest first."""
    found: dict[str, Run] = {}

    def add(run: Run) -> None:
        for guide in run.guide_runs:
            if guide not in found and guide in results.runs:
                add(results.runs[guide])
        found[run.run] = run

    add(student)
    return tuple(found.values())


def _drops(run: Run) -> bool:
    return bool(run.guide_runs) and run.training.get("dropping", "none") != "none"


def graph_figure(results: Results, style: Mapping[str, Style]) -> Figure:
    """Returns a panel for each chain."""
    chains = chains_of(results)
    rows = []
    for chain in chains:
        for index, run in enumerate(chain.runs):
            guides = [chain.runs[guide].model for guide, learner, _ in chain.edges if learner == index]
            dropping = run.training.get("dropping", "") if guides else ""
            rows.append(
                row(
                    ", ".join(chain.variants),
                    run.model or "model",
                    run.architecture,
                    f"{run.parameters:,}",
                    "–" if index == len(chain.runs) - 1 and len(chain.variants) > 1 else numbers.percent(run.test.top1),
                    ", ".join(guides) or "none",
                    f"{dropping} (keep {run.training.get('keep')})"
                    if dropping == "bernoulli"
                    else str(dropping) or "–",
                )
            )
    head = ["variants", "model", "architecture", "parameters", "test accuracy", "guides", "dropping"]
    return Figure(
        key="chain",
        caption="Who guides whom. An arc goes from a guide to the model that learns from its cached logits; it is "
        "dashed where guides are dropped at random. Accuracies of guides are of the runs at the first seed.",
        panels=tuple(
            Panel(
                names=tuple((name, style[name]) for name in chain.variants),
                note=""
                if results.guides == "shared"
                else f"seed {chain.seed}; the other seeds have chains of their own",
                drawing=_panel(chain),
            )
            for chain in chains
        ),
        table=table("Models of each variant and their guides", head, rows, words=(0, 1, 2, 5, 6)),
    )


def _panel(chain: Chain) -> Drawing:
    names = [run.model or run.architecture for run in chain.runs]
    words = [f"{names[guide]} guides {names[learner]}" for guide, learner, _ in chain.edges]
    drawing = Drawing(
        width=_WIDTH,
        height=_TOP + _ROW * (len(chain.runs) - 1) + 26,
        title=f"Guides of {', '.join(chain.variants)}",
        text="; ".join(words) or "The student has no guide.",
    )
    at = [_TOP + _ROW * index for index in range(len(chain.runs))]
    furthest = max((learner - guide for guide, learner, _ in chain.edges), default=1)
    for guide, learner, drops in chain.edges:
        reach = _AXIS - 14 - (_AXIS - 46) * (1 - (learner - guide) / furthest)
        start, end = at[guide] + 4, at[learner] - 4
        bend = _AXIS - 4 - reach * 4 / 3 * 0.94
        css = "edge drops" if drops else "edge"
        drawing.path(f"M{_AXIS - 5} {start}C{bend:.1f} {start} {bend:.1f} {end} {_AXIS - 12} {end}", css)
        drawing.path(f"M{_AXIS - 5} {end}l-8 -3.5v7Z", "arrow", f"{names[guide]} guides {names[learner]}")
    for index, run in enumerate(chain.runs):
        student = index == len(chain.runs) - 1
        drawing.path(
            f"M{_AXIS - 5} {at[index]}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", "node student" if student else "node", run.run
        )
        room = _WIDTH - _AXIS - 16
        drawing.label(_AXIS + 14, at[index], f"{names[index]}: {run.architecture}", "name", room=room)
        accuracy = "" if student and len(chain.variants) > 1 else f", {numbers.percent(run.test.top1)}"
        drawing.label(_AXIS + 14, at[index] + 15, f"{run.parameters:,} parameters{accuracy}", "tick", room=room)
    return drawing
