"""The chains of a study: the models of a variant below each other, an arc from each guide to what learns from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing, text_width
from dgkd_cache.report.figures import Cell, Figure, Panel, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Pruning, Results, Run
from dgkd_cache.report.variant_settings import source_of
from dgkd_cache.study.controls import CONTROLS

__all__ = ["Chain", "chains_of", "graph_figure"]

_WIDTH, _AXIS, _ROW, _TOP = 290, 92, 46, 22


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The models of one or more variants: runs, guides first, and who guides whom."""

    variants: tuple[str, ...]
    students: tuple[Run, ...]
    """The student of each variant, at its first seed."""
    seed: int
    runs: tuple[Run, ...]
    """The last one is the first of `students`."""
    edges: tuple[tuple[int, int, bool], ...]
    """(guide, learner, whether the learner drops guides), as positions in `runs`."""
    control: str
    """The control that changed the rows of the student's guides; empty without one."""
    live: bool
    """True if the student's guides ran at each step."""
    pruned_from: str = ""
    """The variant, or else the run, that the students are pruned from; empty where they are not."""

    def draws(self, guide: int, learner: int) -> int:
        """Returns how many draws of a guide a model has, both given as positions in `runs`: 0 for the guide itself."""
        return self.runs[learner].draws.get(self.runs[guide].run, 0)

    def source(self, learner: int) -> str:
        """Returns what a model, given as a position in `runs`, has of its guides."""
        if all(of != learner for _, of, _ in self.edges):
            return "–"
        if learner < len(self.runs) - 1 or not (self.control or self.live):
            return "cached logits"
        return "live guides" if self.live else f"changed rows ({self.control})"


def chains_of(results: Results) -> list[Chain]:
    """Returns the chains of all variants at the first seed of each.

    Variants share one if their students have the same of the same guides: cached logits, rows of the same control,
    equally many draws, or what the live guides say. Pruned students share one if they have the same source, and the
    same importance of its weights.
    """
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
        changes = results.variants[name].changes
        control, live = str(changes.get("control") or ""), changes.get("live") is True
        pruning = (student.source_run, student.pruning.criterion) if student.pruning else None
        draws = tuple(sorted(student.draws.items()))
        key = (tuple(run.run for run in runs[:-1]), edges, student.architecture, control, live, pruning, draws)
        before = found.get(key)
        found[key] = Chain(
            variants=(*(before.variants if before else ()), name),
            students=(*(before.students if before else ()), student),
            seed=before.seed if before else seed,
            runs=before.runs if before else runs,
            edges=edges,
            control=control,
            live=live,
            pruned_from=(source_of(results, name) or student.source_run or "another run") if student.pruning else "",
        )
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
    pruned = any(chain.pruned_from for chain in chains)
    rows = []
    for chain in chains:
        every = ", ".join(chain.variants)
        rows += [_row(chain, index, run, every, *["–"] * pruned) for index, run in enumerate(chain.runs[:-1])]
        for name, student in zip(chain.variants, chain.students, strict=True):
            told = [_pruning(student, chain.pruned_from)] if pruned else []
            rows.append(_row(chain, len(chain.runs) - 1, student, name, *told))
    head = ["variants", "model", "architecture", "parameters", "test accuracy", "guides", "learns from", "dropping"]
    head += ["pruned"] * pruned
    return Figure(
        key="chain",
        caption="Who guides whom. A plain arc goes from a guide to the model that learns from its cached logits. A "
        "dotted arc is of a guide that runs live at each step, without a cache; an arc with a bar across is of a guide "
        "whose rows a control has changed. Arcs are dashed where guides are dropped at random, in dashes and dots if "
        "these run live. Accuracies are of the runs at the first seed; where students of several variants share a "
        "panel, it has the lowest and the highest."
        + " What is read as several draws is one guide here." * any(run.draws for one in chains for run in one.runs)
        + " A pruned student begins with what is left of the student named above its panel." * pruned,
        panels=tuple(
            Panel(names=tuple((name, style[name]) for name in chain.variants), note=note, drawing=_panel(chain))
            for chain, note in ((chain, _note(chain, results)) for chain in chains)
        ),
        table=table("Models of each variant and their guides", head, rows, words=(0, 1, 2, 5, 6, 7, 8)),
    )


def _row(chain: Chain, index: int, run: Run, variants: str, *more: str) -> tuple[Cell, ...]:
    guides = [chain.runs[guide].model for guide, learner, _ in chain.edges if learner == index]
    dropping = str(run.training.get("dropping", "")) if guides else ""
    draws = {chain.draws(guide, learner) for guide, learner, _ in chain.edges if learner == index} - {0}
    return row(
        variants,
        run.model or "model",
        run.architecture,
        f"{run.parameters:,}",
        numbers.percent(run.test.top1),
        ", ".join(guides) or "none",
        chain.source(index) + "".join(f" of {numbers.draws(count)}" for count in sorted(draws)),
        f"{dropping} (keep {run.training.get('keep')})" if dropping == "bernoulli" else dropping or "–",
        *more,
    )


def _pruning(student: Run, source: str) -> str:
    """Returns how much of a student is removed, by what, and from what."""
    one = student.pruning
    return f"{numbers.removed(one.sparsity)} % by {_importance(one)} from {source}" if one else "–"


def _importance(pruning: Pruning) -> str:
    """Returns by what the weights were chosen that are kept."""
    return "gradient under the guides" if pruning.criterion == "guided" else pruning.criterion


def _note(chain: Chain, results: Results) -> str:
    """Returns what stands below the names of a panel."""
    words = []
    pruning = chain.students[0].pruning
    if pruning:
        words.append(f"pruned by {_importance(pruning)} from {chain.pruned_from}")
    if chain.control:
        words.append(f"control {chain.control}: {CONTROLS.get(chain.control, 'changed rows')}")
    if chain.live:
        words.append("live: the student's guides run at each step, and no row is read")
    if results.guides != "shared":
        words.append(f"seed {chain.seed}; the other seeds have chains of their own")
    return "; ".join(words)


def _panel(chain: Chain) -> Drawing:
    names = [run.model or run.architecture for run in chain.runs]
    marked = {"cached logits": "", "live guides": " (live)"}
    words = [
        f"{names[guide]} guides {names[learner]}{marked.get(source, f' with {source}')}"
        + f" ({numbers.draws(chain.draws(guide, learner))})" * bool(chain.draws(guide, learner))
        for guide, learner, source in ((guide, learner, chain.source(learner)) for guide, learner, _ in chain.edges)
    ]
    height = _ROW + 13 * any(run.draws for run in chain.runs)
    drawing = Drawing(
        width=_WIDTH,
        height=_TOP + height * (len(chain.runs) - 1) + 38 + 13 * bool(chain.pruned_from),
        title=f"Guides of {', '.join(chain.variants)}",
        text="; ".join(words) or "The student has no guide.",
    )
    at = [_TOP + height * index for index in range(len(chain.runs))]
    furthest = max((learner - guide for guide, learner, _ in chain.edges), default=1)
    for (guide, learner, drops), tip in zip(chain.edges, words, strict=True):
        source = chain.source(learner)
        reach = _AXIS - 14 - (_AXIS - 46) * (1 - (learner - guide) / furthest)
        start, end = at[guide] + 4, at[learner] - 4
        bend = _AXIS - 4 - reach * 4 / 3 * 0.94
        css = "edge" + " drops" * drops + " live" * (source == "live guides")
        drawing.path(f"M{_AXIS - 5} {start}C{bend:.1f} {start} {bend:.1f} {end} {_AXIS - 12} {end}", css)
        drawing.path(f"M{_AXIS - 5} {end}l-8 -3.5v7Z", "arrow", tip)
        if source.startswith("changed"):
            middle = (_AXIS - 5 + 6 * bend + _AXIS - 12) / 8  # of the curve, which is upright there
            drawing.path(f"M{middle - 5:.1f} {(start + end) / 2}h10", "changed", tip)
    for index, run in enumerate(chain.runs):
        student = index == len(chain.runs) - 1
        drawing.path(
            f"M{_AXIS - 5} {at[index]}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", "node student" if student else "node", run.run
        )
        room = _WIDTH - _AXIS - 16
        drawing.label(_AXIS + 14, at[index], f"{names[index]}: {run.architecture}", "name", room=room)
        size, accuracy, *more = _facts(chain, index)
        whole = f"{size}, {accuracy}"
        for line, text in enumerate([*([whole] if text_width(whole) <= room else [size, accuracy]), *more]):
            drawing.label(_AXIS + 14, at[index] + 15 + 13 * line, text, "tick", room=room)
    return drawing


def _facts(chain: Chain, index: int) -> list[str]:
    """Returns what stands below the name of a model: its size, its accuracy, and what else there is to say."""
    run, more = chain.runs[index], []
    accuracy = numbers.percent(run.test.top1)
    if index == len(chain.runs) - 1:
        if len(chain.students) > 1:
            top1 = [one.test.top1 for one in chain.students]
            accuracy = f"{numbers.percent(min(top1)).removesuffix(' %')} to {numbers.percent(max(top1))}"
        shares = sorted({one.pruning.sparsity for one in chain.students if one.pruning})
        if shares:
            ends = " to ".join(dict.fromkeys(map(numbers.removed, (shares[0], shares[-1]))))
            more.append(f"{ends} % removed")
    draws = sorted({chain.draws(guide, learner) for guide, learner, _ in chain.edges if guide == index} - {0})
    if draws:
        more.append(f"read as {' or '.join(map(numbers.draws, draws))}")
    return [f"{run.parameters:,} parameters", accuracy, *more]
