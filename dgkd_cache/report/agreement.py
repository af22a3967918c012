"""Agreement with the guides: how often student and guide predict the same, and the KL from guide to student."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """A variant and one of its guides, with the agreement of each seed by part: for draws, the mean over them."""

    variant: str
    guide: str
    draws: int
    """The number of draws of the guide; 0 for the guide itself."""
    parts: Mapping[str, tuple[Agreement, ...]]

    @property
    def label(self) -> str:
        """The words for a row: the variant, and the guide with its draws."""
        return f"{self.variant} ← {self.guide}" + (f", {numbers.draws(self.draws)}" if self.draws else "")

    def mean(self, part: str, of: Callable[[Agreement], float]) -> float | None:
        """Returns the mean of a figure over seeds; None for a part that was not measured."""
        found = self.parts.get(part, ())
        return float(np.mean([of(one) for one in found])) if found else None


def pairs_of(results: Results) -> list[Pair]:
    """Returns each variant with each guide of its students, by the guide's name in the chain."""
    found = []
    for name in results.shown:
        by_guide: dict[tuple[str, int], dict[str, list[Agreement]]] = {}
        for student in results.students(name).values():
            for run, stores in _by_run(student).items():
                parts = by_guide.setdefault((results.name_of(run), student.draws.get(run, 0)), {})
                for part in dict.fromkeys(part for store in stores for part in student.agreement[store]):
                    ones = [student.agreement[store][part] for store in stores if part in student.agreement[store]]
                    parts.setdefault(part, []).append(_mean(ones))
        found += [
            Pair(variant=name, guide=guide, draws=draws, parts={part: tuple(ones) for part, ones in parts.items()})
            for (guide, draws), parts in by_guide.items()
        ]
    return found


def _mean(ones: Sequence[Agreement]) -> Agreement:
    """Returns the means of the figures of several draws, which are of the same samples."""
    top1, kl = (float(np.mean([getattr(one, key) for one in ones])) for key in ("top1", "kl"))
    return Agreement(samples=ones[0].samples, top1=top1, kl=kl)


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
        caption = one.caption + " Draws of a guide are one row, the mean over them." * any(pair.draws for pair in pairs)
        found.append(Figure(key=one.key, caption=caption, wide=wide, narrow=narrow, keys=keys, table=data))
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
        [pair.label for pair in pairs],
        [value for pair in pairs for part in _PARTS if (value := pair.mean(part, measure.of)) is not None],
        width=width,
        label=measure.label,
        title=measure.title,
        text=f"{measure.title}: {len(pairs)} pairs of a variant and a guide, on the test set and on the first view.",
        most_room=300 if any(pair.draws for pair in pairs) else 220,
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
    drawn = any(pair.draws for pair in pairs)
    head = ["variant", "guide", *["draws"] * drawn, "seeds"]
    head += ["agreement, test", "agreement, view 0", "KL, test", "KL, view 0"]
    rows = [
        row(
            pair.variant,
            pair.guide,
            *[str(pair.draws or "–")] * drawn,
            str(max(map(len, pair.parts.values()))),
            *(numbers.percent(pair.mean(part, lambda one: one.top1)) for part in _PARTS),
            *(numbers.real(pair.mean(part, lambda one: one.kl), 4) for part in _PARTS),
        )
        for pair in pairs
    ]
    return table("Agreement with and KL to each guide, mean over seeds", head, rows, words=(0, 1))
