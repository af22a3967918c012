"""The view schedule: the view that a training run uses for (epoch, sample)."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral

import numpy as np
import numpy.typing as npt

from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.plan import ViewPlan
from dgkd_stores.arguments import integers, refusal, require_integer, require_kind

__all__ = ["Schedule", "check_schedule"]

_KINDS = ("cycle", "draw", "fresh")


class Schedule:
    """A view schedule, the same for every model, method and rank of a run.

    "cycle": view = epoch mod V, one view an epoch. "draw": uniform over the V views, per (epoch, sample). "fresh": view
    = epoch without bound, for a run that needs no cached guides; `views` is not used there. `views` is the range of
    view numbers, or their count if they start at 0; `samples` is the size of the whole data set.
    """

    kind: str
    """`cycle`, `draw` or `fresh`."""
    view_range: range
    """The numbers of the V views; empty where `fresh` was given none."""

    def __init__(self, kind: str, views: range | int | None = None, *, random: RunRandom, samples: int) -> None:
        """Raises UnknownName for an unknown kind, InvalidInput if there are no views."""
        _require_known(kind)
        if isinstance(views, Integral) and not isinstance(views, bool):
            require_integer("Schedule", "views", views, low=1, high=2**32)
            views = range(int(views))
        if views is not None and not isinstance(views, range):
            raise refusal("Schedule", "views", views, expected="a range of view numbers, or their count")
        require_kind("Schedule", "random", random, RunRandom, expected="a RunRandom", do="write random=RunRandom(seed)")
        require_integer("Schedule", "samples", samples, low=1)
        self.kind, self.view_range = kind, views or range(0)
        if kind != "fresh" and (not self.view_range or self.view_range.step != 1 or self.view_range.start < 0):
            raise InvalidInput(
                "no views to schedule", expected="a count from 1 on, or consecutive views", found=repr(views)
            )
        self._random, self._samples = random, int(samples)
        self._drawn: tuple[int, IntArray] = (-1, np.empty(0, np.int64))

    def require(self, samples_B: IntArray) -> None:
        """Raises InvalidInput for samples outside the schedule."""
        if len(samples_B) and not 0 <= samples_B.min() <= samples_B.max() < self._samples:
            raise InvalidInput(
                "samples that the schedule does not have",
                expected=f"0 to {self._samples - 1}",
                found=f"{samples_B.min()} to {samples_B.max()}",
                do="write samples=len(images) for the Schedule: it is made for the whole data set",
            )

    def views(self, epoch: int, samples_B: npt.ArrayLike) -> IntArray:
        """Returns int64[B]: the view of each of these samples in that epoch (numbered from 0).

        Raises InvalidInput for an epoch below 0, and for samples outside the schedule.
        """
        require_integer("Schedule.views", "epoch", epoch, low=0, high=2**63 - 1)
        ids_B = integers("Schedule.views", "samples_B", samples_B, expected="samples' ids, one-dimensional integers")
        self.require(ids_B)
        if self.kind == "draw":
            if self._drawn[0] != epoch:
                self._drawn = (epoch, self._random.draw_views(epoch, self._samples, len(self.view_range)))
            return self.view_range.start + self._drawn[1][ids_B]
        view = epoch if self.kind == "fresh" else self.view_range[epoch % len(self.view_range)]
        return np.full(ids_B.shape, view, np.int64)

    def batches(
        self, epoch: int, order_N: IntArray, size: int, *, first: int = 0
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Yields (views_B, samples_B) of each batch of an epoch, from batch `first` on; the last one may be smaller.

        Raises what `views` raises.
        """
        for start in range(first * size, len(order_N), size):
            samples_B = order_N[start : start + size]
            yield self.views(epoch, samples_B), samples_B


def check_schedule(plan: ViewPlan, kind: str, count: int) -> None:
    """Raises InvalidInput (UnknownName for `kind`) unless this schedule is valid for `count` views of the plan.

    Enumerated views equal online augmentation only if all outcomes are present and equally probable.
    """
    _require_known(kind)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidInput("bad number of views", expected="an integer from 1 on", found=repr(count))
    if plan.scheme != "enumerated":
        return
    if kind != "draw":
        raise InvalidInput(
            "enumerated views need the schedule draw",
            expected='schedule = "draw"',
            found=f'schedule = "{kind}"',
            do='set schedule = "draw" or scheme = "sampled" under [views]',
        )
    if count != plan.outcomes:
        raise InvalidInput(
            "enumerated views need all outcomes",
            expected=f"count = {plan.outcomes}",
            found=f"count = {count}",
            do=f'set count = {plan.outcomes} or scheme = "sampled" under [views]',
        )


def _require_known(kind: str) -> None:
    if not isinstance(kind, str) or kind not in _KINDS:
        raise unknown_name("view schedule", str(kind)[:80], _KINDS)
