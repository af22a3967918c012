"""A median with an interval for it, and whether a bar holds: what a benchmark may conclude from a few rounds.

The interval is that of order statistics: the population's median lies between the k-th smallest and the k-th largest
value with a probability that is binomial, whatever the distribution. Nothing is assumed to be normal.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Bar", "Interval", "Verdict", "median_interval", "quantile", "verdict"]

Verdict = Literal["holds", "misses", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The interval that holds the median with probability `coverage`."""

    low: float
    high: float
    coverage: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The limit that a median must reach: at least, or at most."""

    kind: Literal["at least", "at most"]
    limit: float

    def met(self, value: float) -> bool:
        return value >= self.limit if self.kind == "at least" else value <= self.limit


def median_interval(samples: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """The narrowest interval of order statistics that covers the median with `confidence`.

    Under six values there is none for 0.95: the smallest and the largest then, with the coverage that they have.
    """
    ordered, n = sorted(samples), len(samples)
    rank = 1
    while rank < (n + 1) // 2 and _coverage(n, rank + 1) >= confidence:
        rank += 1
    return Interval(low=ordered[rank - 1], high=ordered[n - rank], coverage=_coverage(n, rank))


def quantile(samples: Sequence[float], share: float) -> float:
    """Linear between the order statistics, as numpy does by default."""
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def verdict(samples: Sequence[float], bar: Bar) -> Verdict:
    """`undecided` where the interval of the median has values on both sides of the bar, or covers less than 95 %."""
    interval = median_interval(samples)
    if interval.coverage < 0.95:
        return "undecided"
    met = {bar.met(interval.low), bar.met(interval.high)}
    if len(met) == 2:
        return "undecided"
    return "holds" if bar.met(statistics.median(samples)) else "misses"


def _coverage(n: int, rank: int) -> float:
    """The probability that the median lies between the rank-th smallest and the rank-th largest of n values."""
    return float(max(0.0, 1 - 2 * sum(math.comb(n, i) for i in range(rank)) / 2**n))
