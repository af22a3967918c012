"""Paired comparisons over seeds: the t interval, the p of the paired t test, Holm's correction, and the power.

Student 1908 (the t test); Holm 1979, "A simple sequentially rejective multiple test procedure"; the power of a t test
is that of the noncentral t distribution. Runs of one seed have the same initial weights, order and views, so that
their difference is the effect of what differs between two variants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from dgkd_cache.errors import InvalidInput

__all__ = ["Comparison", "Summary", "Verdict", "compare", "detectable_difference", "holm", "paired_t", "summarize"]

ALPHA = 0.05
POWER = 0.8
_DECIMALS = 12  # of a difference between two shares, which are multiples of one over the test samples
FEWEST_SEEDS = 5
"""Fewer seeds are exploratory."""

Verdict = Literal["higher", "lower", "inconclusive", "incomplete"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The results of one variant: n runs, their mean (None for no run) and sample standard deviation (None for one)."""

    n: int
    mean: float | None
    deviation: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A variant against a reference, in the unit of the results.

    `differences` are variant - reference by seed, in ascending order of the seeds. `low` and `high` are the 95 % t
    interval of their mean, for this comparison alone; `p` is that of the two-sided paired t test, and `adjusted_p`
    Holm's over all comparisons that were made together. `detectable` is the smallest mean difference that would have
    been found with 80 % power, at the spread that was seen and at the strictest level that Holm's procedure asks for.
    What a single seed, or differences without spread, do not give is None.

    A comparison is `incomplete` while runs of it are missing: it has no adjusted p and no verdict, because a verdict
    on the way would be a test that is made more often than it is counted. Its other figures are those of the seeds
    that both have, and None without any.
    """

    variant: str
    reference: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    incomplete: bool
    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    detectable: float | None

    @property
    def verdict(self) -> Verdict:
        """`higher` or `lower` where the adjusted p is below 0.05, else `inconclusive` or, before that, `incomplete`."""
        if self.incomplete:
            return "incomplete"
        if self.adjusted_p is None or self.mean is None or self.adjusted_p >= ALPHA:
            return "inconclusive"
        return "higher" if self.mean > 0 else "lower"

    @property
    def exploratory(self) -> bool:
        """True for fewer than five seeds: the spread is hardly known."""
        return len(self.seeds) < FEWEST_SEEDS


def summarize(values: Sequence[float]) -> Summary:
    """Returns number, mean and sample standard deviation of the results of a variant."""
    array = np.asarray(values, np.float64)
    mean = float(array.mean()) if len(array) else None
    deviation = float(_deviation(array)) if len(array) > 1 else None
    return Summary(n=len(array), mean=mean, deviation=deviation)


def compare(
    results: Mapping[str, Mapping[int, float]], pairs: Sequence[tuple[str, str]], *, seeds: Sequence[int] | None = None
) -> list[Comparison]:
    """Returns a comparison for each (variant, reference) of `pairs`; p is adjusted over all of them.

    `results` holds the result of each variant by seed, and `seeds` are all that are planned: a pair that lacks some is
    incomplete. Without `seeds` the two of a pair must have the same; raises InvalidInput if they do not.
    """
    made = [_comparison(results, *pair, planned=seeds, comparisons=len(pairs)) for pair in pairs]
    # What is incomplete or has no p counts as if it would find nothing: whatever it finds, the others' p can only fall.
    judged = [None if one.incomplete else one.p for one in made]
    adjusted_M = holm(np.array([1.0 if p is None else p for p in judged]))
    return [
        one if p is None else replace(one, adjusted_p=float(adjusted))
        for one, p, adjusted in zip(made, judged, adjusted_M, strict=True)
    ]


def _comparison(
    results: Mapping[str, Mapping[int, float]],
    variant: str,
    reference: str,
    *,
    planned: Sequence[int] | None,
    comparisons: int,
) -> Comparison:
    """Returns one of so many comparisons, whose p is not adjusted yet."""
    seeds = _common_seeds(results, variant, reference, planned=planned)
    # Rounded, so that equal differences of right predictions are equal: what floats add is no spread.
    differences_N = np.array([results[variant][seed] - results[reference][seed] for seed in seeds]).round(_DECIMALS)
    low, high, p = (float(figure) if np.isfinite(figure) else None for figure in paired_t(differences_N))
    summary = summarize(differences_N.tolist())
    spread = summary.deviation or None
    return Comparison(
        variant=variant,
        reference=reference,
        seeds=seeds,
        differences=tuple(differences_N.tolist()),
        incomplete=planned is not None and len(seeds) < len(planned),
        mean=summary.mean,
        deviation=summary.deviation,
        low=low,
        high=high,
        p=p,
        adjusted_p=None,
        detectable=spread and detectable_difference(spread, len(seeds), alpha=ALPHA / comparisons),
    )


def _common_seeds(
    results: Mapping[str, Mapping[int, float]], variant: str, reference: str, *, planned: Sequence[int] | None
) -> tuple[int, ...]:
    mine, theirs = (tuple(sorted(results[name])) for name in (variant, reference))
    if planned is not None:
        return tuple(seed for seed in sorted(planned) if seed in mine and seed in theirs)
    if mine != theirs or not mine:
        raise InvalidInput(
            f"{variant} and {reference} cannot be paired",
            expected="runs of the same seeds",
            found=f"seeds {', '.join(map(str, mine)) or 'none'} and {', '.join(map(str, theirs)) or 'none'}",
        )
    return mine


def paired_t(
    differences_XN: NDArray[np.float64], *, level: float = 1 - ALPHA
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns (low, high, p) of the mean of each row of differences: the t interval, and p of the two-sided t test.

    `differences_XN` is [..., N]; the results have its shape without N. They are NaN for N = 1 and for rows without
    spread, of which a t test says nothing.
    """
    count = differences_XN.shape[-1]
    if count < 2:
        nothing = np.full(differences_XN.shape[:-1], np.nan)
        return nothing, nothing, nothing
    mean_X = differences_XN.mean(-1)
    error_X = _deviation(differences_XN) / np.sqrt(count)
    error_X = np.where(error_X > 0, error_X, np.nan)
    reach_X = stats.t.ppf(0.5 + level / 2, count - 1) * error_X
    return mean_X - reach_X, mean_X + reach_X, 2 * stats.t.sf(np.abs(mean_X) / error_X, count - 1)


def _deviation(values_XN: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the sample standard deviation of each row, and exactly 0 where all its values are equal."""
    return np.where(np.ptp(values_XN, axis=-1) > 0, values_XN.std(-1, ddof=1), 0.0)


def holm(p_XM: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns Holm's adjusted p values of M comparisons, [..., M]."""
    count = p_XM.shape[-1]
    order_XM = p_XM.argsort(-1)
    sorted_XM = np.take_along_axis(p_XM, order_XM, -1) * np.arange(count, 0, -1)
    adjusted_XM = np.empty_like(sorted_XM)
    np.put_along_axis(adjusted_XM, order_XM, np.maximum.accumulate(sorted_XM, -1).clip(max=1.0), -1)
    return adjusted_XM


def power_of(difference: float, deviation: float, count: int, *, alpha: float = ALPHA) -> float:
    """Returns the chance that a two-sided paired t test finds a mean `difference` among `count` pairs."""
    limit = stats.t.ppf(1 - alpha / 2, count - 1)
    shift = difference / deviation * np.sqrt(count)
    # scipy gives NaN for some chances of the far tail below 1e-12.
    tails = [stats.nct.sf(limit, count - 1, shift), stats.nct.cdf(-limit, count - 1, shift)]
    return float(np.nan_to_num(tails).sum())


def detectable_difference(deviation: float, count: int, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Returns the smallest mean difference that is found with this power, in the unit of `deviation`.

    `deviation` is the standard deviation of the differences, above 0; `count` is at least 2.
    """

    def lacking(difference: float) -> float:
        return power_of(difference, 1.0, count, alpha=alpha) - power

    upper = 1.0
    while lacking(upper) < 0:
        upper *= 2
    return float(deviation * optimize.brentq(lacking, 0.0, upper, xtol=1e-9))
