"""Agreement with the guides: how often student and guide predict the same, and the KL from guide to student."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dgkd_cache.report import numbers
from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.figures import Figure, Table, row, table
from dgkd_cache.report.palette import Style
from dgkd_cache.report.results_file import Agreement, Results, Run
from dgkd_cache.report.rows import NARROW, WIDE, rows_of

__all__ = ["Pair", "agreement_figures", "pairs_of"]

_PARTS = {"test": "on the test set", "view 0": "on the first training view"}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A variant and one of its guides, with the agreement of each seed by part."""

    variant: str
    guide: str
    parts: Mapping[str, tuple[Agreement, ...]]

    def mean(self, part: str, of: Callable[[Agreement], float]) -> float | None:
        """Returns the mean of a figure over seeds; None for a part that was not measured."""
        found = self.parts.get(part, ())
        return float(np.mean([of(one) for one in found])) if found else None


def pairs_of(results: Results) -> list[Pair]:
    """Returns each variant with each guide of its students, by the guide's name in the chain."""
    found = []
    for name in results.shown:
        by_guide: dict[str, dict[str, list[Agreement]]] = {}
        for student in results.students(name).values():
            for run, stores in _by_run(student).items():
                guide = results.name_of(run)
                for part, one in (pair for store in stores for pair in student.agreement.get(store, {}).items()):
                    by_guide.setdefault(guide, {}).setdefault(part, []).append(one)
        found += [
            Pair(variant=name, guide=guide, parts={part: tuple(ones) for part, ones in parts.items()})
            for guide, parts in by_guide.items()
        ]
    return found


def _by_run(student: Run) -> dict[str, list[str]]:
    """Returns the stores of each guide, largest first; one whose run is not known stands for itself, at the end."""
    found: dict[str, list[str]] = {run: [] for run in student.guide_runs}
    for store in student.agreement:
        found.setdefault(student.guide_of.get(store, store), []).append(store)
    return {run: stores for run, stores in found.items() if stores}


def agreement_figures(results: Results, style: Mapping[str, Style]) -> list[Figure]:
    """Returns the figures of agreement and of KL; none if no student has a guide."""
    pairs = pairs_of(results)
    data = _table(pairs)
    keys = (("", "test set"), ("hollow", "first training view (view 0)"))
    found = []
    for one in _MEASURES if pairs else ():
        wide, narrow = (_drawing(one, pairs, style, width) for width in (WIDE, NARROW))
        found.append(Figure(key=one.key, caption=one.caption, wide=wide, narrow=narrow, keys=keys, table=data))
    return found


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """A figure: its texts, and the number that it shows of an agreement."""

    key: str
    of: Callable[[Agreement], float]
    label: str
    title: str
    caption: str


_MEASURES = (
    _Measure(
        key="agreement",
        of=lambda one: 100 * one.top1,
        label="equal predictions, %",
        title="Agreement with each guide",
        caption="Share of samples on which student and guide predict the same class, mean over seeds.",
    ),
    _Measure(
        key="kl",
        of=lambda one: one.kl,
        label="KL(guide ‖ student), nats",
        title="KL to each guide",
        caption="Mean KL(guide ‖ student) at temperature 1, mean over seeds. Smaller is nearer to the guide.",
    ),
)


def _drawing(measure: _Measure, pairs: list[Pair], style: Mapping[str, Style], width: float) -> Drawing:
    chart = rows_of(
        [f"{pair.variant} ← {pair.guide}" for pair in pairs],
        [value for pair in pairs for part in _PARTS if (value := pair.mean(part, measure.of)) is not None],
        width=width,
        label=measure.label,
        title=measure.title,
        text=f"{measure.title}: {len(pairs)} pairs of a variant and a guide, on the test set and on the first view.",
    )
    for pair, y in zip(pairs, chart.at, strict=True):
        for part, words in _PARTS.items():
            value = pair.mean(part, measure.of)
            if value is not None:
                css = "" if part == "test" else "hollow"
                tip = f"{pair.variant} and {pair.guide}, {words}: {numbers.real(value)}"
                chart.drawing.mark(chart.scale(value), y, style[pair.variant], css=css, tip=tip)
    return chart.drawing


def _table(pairs: list[Pair]) -> Table:
    head = ["variant", "guide", "seeds", "agreement, test", "agreement, view 0", "KL, test", "KL, view 0"]
    rows = [
        row(
            pair.variant,
            pair.guide,
            str(max(map(len, pair.parts.values()))),
            *(numbers.percent(pair.mean(part, lambda one: one.top1)) for part in _PARTS),
            *(numbers.real(pair.mean(part, lambda one: one.kl), 4) for part in _PARTS),
        )
        for pair in pairs
    ]
    return table("Agreement with and KL to each guide, mean over seeds", head, rows, words=(0, 1))
