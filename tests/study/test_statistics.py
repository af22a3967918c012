"""Intervals, p and power against scipy's own tests and statsmodels, and over many drawn studies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, stats

from dgkd_cache.errors import InvalidInput
from dgkd_cache.study.statistics import compare, detectable_difference, holm, paired_t, power_of, summarize

SEEDS = range(5)
RESULTS = {
    "scratch": dict(zip(SEEDS, [0.623, 0.640, 0.630, 0.628, 0.634], strict=True)),
    "kd": dict(zip(SEEDS, [0.641, 0.643, 0.634, 0.639, 0.645], strict=True)),
    "dgkd": dict(zip(SEEDS, [0.635, 0.644, 0.635, 0.641, 0.652], strict=True)),
    "dgkd+drop": dict(zip(SEEDS, [0.625, 0.642, 0.631, 0.624, 0.639], strict=True)),
}
PAIRS = [(name, "scratch") for name in RESULTS if name != "scratch"]


def holm_of_statsmodels(p_M: ArrayLike) -> NDArray[np.float64]:
    from statsmodels.stats.multitest import multipletests  # slow to load: only in the process that runs this

    adjusted: NDArray[np.float64] = multipletests(p_M, method="holm")[1]
    return adjusted


def test_each_comparison_is_that_of_scipy_and_statsmodels() -> None:
    found = compare(RESULTS, PAIRS)
    assert [(one.variant, one.reference) for one in found] == PAIRS
    expected = []
    for one in found:
        mine, theirs = ([RESULTS[name][seed] for seed in SEEDS] for name in (one.variant, one.reference))
        test = stats.ttest_rel(mine, theirs)
        interval = test.confidence_interval(0.95)
        assert (one.low, one.high, one.p) == pytest.approx((interval.low, interval.high, test.pvalue), rel=1e-9)
        assert one.differences == pytest.approx([a - b for a, b in zip(mine, theirs, strict=True)])
        assert one.mean == pytest.approx(np.mean(mine) - np.mean(theirs))
        assert one.deviation == pytest.approx(np.std(np.subtract(mine, theirs), ddof=1))
        expected.append(test.pvalue)
    adjusted = holm_of_statsmodels(expected)
    assert [one.adjusted_p for one in found] == pytest.approx(adjusted.tolist(), rel=1e-9)
    assert [one.verdict for one in found] == ["higher" if p < 0.05 else "inconclusive" for p in adjusted]
    assert {one.verdict for one in found} == {"higher", "inconclusive"}, "both occur"
    assert not any(one.exploratory for one in found)


def test_the_other_way_round_is_lower() -> None:
    (one,) = compare(RESULTS, [("scratch", "kd")])
    assert (one.verdict, one.mean) == ("lower", pytest.approx(-0.0094))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_holm_is_that_of_statsmodels(count: int) -> None:
    p_RM = np.random.default_rng(0).uniform(0, 0.2, (4, count))
    for p_M, found_M in zip(p_RM, holm(p_RM), strict=True):
        assert found_M == pytest.approx(holm_of_statsmodels(p_M))
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06]), "by hand"
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1.0, 1.0])


def power_by_integration(effect: float, count: int, alpha: float) -> float:
    """Returns the power of a two-sided t test: the chance given the sample variance, over its distribution."""
    limit, shift, freedom = stats.t.ppf(1 - alpha / 2, count - 1), effect * np.sqrt(count), count - 1

    def at(chi2: float) -> float:
        bound = limit * np.sqrt(chi2 / freedom)
        return stats.chi2.pdf(chi2, freedom) * (stats.norm.sf(bound - shift) + stats.norm.cdf(-bound - shift))

    return integrate.quad(at, 0, np.inf)[0]


@pytest.mark.parametrize(("count", "alpha"), [(2, 0.05), (5, 0.05), (5, 0.05 / 7), (30, 0.05)])
def test_power_is_that_of_the_noncentral_t(count: int, alpha: float) -> None:
    for effect in (0.2, 1.0, 3.0):
        assert power_of(effect, 1.0, count, alpha=alpha) == pytest.approx(
            power_by_integration(effect, count, alpha), abs=1e-6
        )
    found = detectable_difference(0.5, count, alpha=alpha)
    assert power_by_integration(found / 0.5, count, alpha) == pytest.approx(0.8, abs=1e-5)


def test_power_is_that_of_statsmodels() -> None:
    from statsmodels.stats.power import TTestPower

    assert power_of(1.0, 1.0, 5) == pytest.approx(TTestPower().power(1.0, nobs=5, alpha=0.05), abs=1e-9)


def test_the_detectable_difference_is_at_the_strictest_level_of_holm() -> None:
    found = compare(RESULTS, PAIRS)
    for one in found:
        assert one.deviation is not None and one.detectable is not None
        assert power_by_integration(one.detectable / one.deviation, 5, 0.05 / 3) == pytest.approx(0.8, abs=1e-5)


def test_drawn_studies() -> None:
    """10,000 studies of five seeds and seven comparisons, all null: how often is something conclusive?"""
    random = np.random.default_rng(20)
    results_RVN = random.normal(size=(10_000, 8, 5))  # independent seeds: the first variant is the reference of all
    differences_RMN = results_RVN[:, 1:] - results_RVN[:, :1]
    low_RM, high_RM, p_RM = paired_t(differences_RMN)
    assert 0.04 <= (holm(p_RM[:, :1]) < 0.05).mean() <= 0.06
    assert (holm(p_RM) < 0.05).any(1).mean() <= 0.06
    covered = (low_RM[:, 0] < 0) & (high_RM[:, 0] > 0)
    assert 0.94 <= covered.mean() <= 0.96
    for effect in (0.5, 1.0, 2.0):
        _, _, p_R = paired_t(random.normal(effect, 1.0, size=(10_000, 5)))
        assert (p_R < 0.05).mean() == pytest.approx(power_of(effect, 1.0, 5), abs=0.02)


def test_what_cannot_be_known_is_none() -> None:
    single = {"a": {0: 0.5}, "b": {0: 0.6}}
    (one,) = compare(single, [("b", "a")])
    assert (one.low, one.high, one.p, one.adjusted_p, one.detectable, one.deviation) == (None,) * 6
    assert (one.verdict, one.exploratory) == ("inconclusive", True)
    same = {"a": {0: 0.5, 1: 0.5}, "b": {0: 0.75, 1: 0.75}}
    (one,) = compare(same, [("b", "a")])
    assert (one.mean, one.deviation, one.p, one.detectable, one.verdict) == (0.25, 0.0, None, None, "inconclusive")


def test_one_without_spread_does_not_spoil_the_others() -> None:
    results = {**RESULTS, "same": RESULTS["scratch"]}
    alone, beside = compare(results, PAIRS), compare(results, [("same", "scratch"), *PAIRS])
    _, *expected = holm_of_statsmodels([1.0, *(one.p for one in alone)])
    assert beside[0].adjusted_p is None, "it counts as a comparison, though it has no p"
    assert [one.adjusted_p for one in beside[1:]] == pytest.approx(expected)


def test_seeds_that_do_not_fit() -> None:
    with pytest.raises(InvalidInput, match=r"kd and scratch cannot be paired: .* found seeds 0, 1 and 0, 2"):
        compare({"kd": {0: 0.5, 1: 0.6}, "scratch": {0: 0.5, 2: 0.6}}, [("kd", "scratch")])


def test_a_summary() -> None:
    values = [0.5, 0.6, 0.9]
    summary = summarize(values)
    assert (summary.n, summary.mean) == (3, pytest.approx(2 / 3))
    assert summary.deviation == pytest.approx(stats.tstd(values))
    assert summarize([0.5]).deviation is None


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
@pytest.mark.parametrize("more", [1, 2, 7])
def test_the_same_number_of_images_at_each_seed_is_no_spread(seeds: int, more: int) -> None:
    """Differences of shares differ in their last bits where those of counts do not."""
    rights = np.random.Generator(np.random.PCG64(seeds)).integers(250, 340, (50, seeds))
    for right_N in rights:
        results = {name: dict(enumerate(((right_N + extra) / 360).tolist())) for name, extra in (("a", more), ("b", 0))}
        (one,) = compare(results, [("a", "b")])
        assert (one.p, one.adjusted_p, one.deviation, one.verdict) == (None, None, 0.0, "inconclusive")
        assert one.mean == pytest.approx(more / 360)


def test_what_has_no_p_counts_in_holms_correction() -> None:
    results = {"a": {0: 0.1, 1: 0.2, 2: 0.31}, "b": {0: 0.2, 1: 0.3, 2: 0.41}, "c": {0: 0.3, 1: 0.39, 2: 0.5}}
    alone, beside = compare(results, [("c", "a")]), compare(results, [("c", "a"), ("b", "a")])
    assert beside[1].p is None and beside[1].adjusted_p is None
    assert beside[0].adjusted_p == pytest.approx(2 * alone[0].p)
