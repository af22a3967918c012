"""The figures that a benchmark concludes from: held to scipy, numpy and plain counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.spread import Bar, median_interval, quantile, verdict


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 11, 20, 24, 101])
def test_the_interval_is_the_narrowest_that_covers_by_the_binomial_distribution(n: int) -> None:
    found = median_interval(list(range(1, n + 1)))  # the values are their own ranks
    covers = {
        rank: float(binom.cdf(n - rank, n, 0.5) - binom.cdf(rank - 1, n, 0.5)) for rank in range(1, (n + 1) // 2 + 1)
    }
    enough = [rank for rank, coverage in covers.items() if coverage >= 0.95]
    rank = max(enough, default=1)
    assert (found.low, found.high) == (rank, n + 1 - rank)
    assert found.coverage == pytest.approx(covers[rank], abs=1e-12)


def test_the_interval_covers_a_known_median_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    draws = random.exponential(size=(1500, 20))  # skewed: nothing is normal; the median is log 2
    hits = [i.low <= np.log(2) <= i.high for i in map(median_interval, draws.tolist())]
    assert abs(np.mean(hits) - median_interval(draws[0].tolist()).coverage) < 0.02


def test_the_order_of_samples_does_not_matter() -> None:
    assert len({median_interval(order) for order in itertools.permutations([3.0, 1.0, 2.0, 5.0])}) == 1


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_quantiles_are_numpys(share: float) -> None:
    samples = np.random.default_rng(1).normal(size=17).tolist()
    for n in (1, 2, 16, 17):
        assert quantile(samples[:n], share) == pytest.approx(np.quantile(samples[:n], share), rel=1e-12)


@pytest.mark.parametrize(
    ("samples", "bar", "expected"),
    [
        ([0.98] * 24, Bar(kind="at least", limit=0.97), "holds"),
        ([0.97] * 24, Bar(kind="at least", limit=0.97), "holds"),
        ([0.96] * 24, Bar(kind="at least", limit=0.97), "misses"),
        ([0.90, 0.99] * 12, Bar(kind="at least", limit=0.97), "undecided"),
        ([0.2] * 6, Bar(kind="at most", limit=0.3), "holds"),
        ([0.4] * 6, Bar(kind="at most", limit=0.3), "misses"),
        ([0.2] * 5, Bar(kind="at most", limit=0.3), "undecided"),  # the interval of five values covers 94 %,
        ([0.2, 0.2, 0.2, 0.2, 0.2, 0.4], Bar(kind="at most", limit=0.3), "undecided"),  # six values: the whole range
        ([0.2] * 23 + [0.4], Bar(kind="at most", limit=0.3), "holds"),  # one outlier of many is outside the interval
    ],
)
def test_a_bar_holds_only_when_the_whole_interval_is_on_its_side(samples: list[float], bar: Bar, expected: str) -> None:
    assert verdict(samples, bar) == expected
