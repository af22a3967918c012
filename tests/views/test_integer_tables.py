"""Integer tables against double precision, and where that is exact against values by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from dgkd_cache.views.integer_tables import (
    beta_middles_q16,
    cos_sin_q30,
    gaussian_q16,
    is_table,
    log_middles_q16,
    tan_q30,
)


@pytest.mark.parametrize("degrees", ["0", "0.001", "15", "29.5", "45", "89.9", "90", "120", "135", "179.25", "180"])
def test_cosines_and_sines(degrees: str) -> None:
    cosine, sine = cos_sin_q30(Fraction(degrees))
    angle = math.radians(float(degrees))
    assert abs(cosine - math.cos(angle) * 2**30) <= 0.501 and abs(sine - math.sin(angle) * 2**30) <= 0.501


def test_right_angles_are_exact() -> None:
    one = 2**30
    assert [cos_sin_q30(Fraction(each)) for each in (0, 90, 180)] == [(one, 0), (0, one), (-one, 0)]
    assert cos_sin_q30(Fraction(60))[0] == cos_sin_q30(Fraction(30))[1] == one // 2
    assert (tan_q30(Fraction(0)), tan_q30(Fraction(45))) == (0, one)


@pytest.mark.parametrize("degrees", ["0.001", "10", "33.3", "79.9"])
def test_tangents(degrees: str) -> None:
    assert abs(tan_q30(Fraction(degrees)) - math.tan(math.radians(float(degrees))) * 2**30) <= 0.501


@pytest.mark.parametrize(("sigma", "radius"), [("0.01", 1), ("0.5", 2), ("2", 6), ("10", 30)])
def test_gaussian_weights_sum_to_one(sigma: str, radius: int) -> None:
    weights = gaussian_q16(Fraction(sigma), radius)
    exact = [math.exp(-(distance**2) / (2 * float(sigma) ** 2)) for distance in range(radius + 1)]
    total = 2 * sum(exact) - exact[0]
    assert len(weights) == radius + 1 and weights[0] + 2 * sum(weights[1:]) == 65536
    assert all(abs(weight - 65536 * one / total) <= 0.501 for weight, one in zip(weights[1:], exact[1:], strict=True))
    assert abs(weights[0] - 65536 / total) <= radius + 0.501


def test_ratios_are_the_middles_of_equal_parts_of_their_logarithms() -> None:
    middles = log_middles_q16(Fraction(3, 10), Fraction(33, 10), 64)
    low, high = math.log(0.3), math.log(3.3)
    exact = [65536 * math.exp(low + (high - low) * (part + 0.5) / 64) for part in range(64)]
    assert all(abs(middle - one) <= 0.501 for middle, one in zip(middles, exact, strict=True))


@pytest.mark.parametrize("alpha", ["0.01", "0.2", "0.8", "1", "3", "12.5", "100"])
def test_quantiles_of_the_beta_distribution(alpha: str) -> None:
    middles = np.array(beta_middles_q16(Fraction(alpha), 1024))
    exact = 65536 * stats.beta(float(alpha), float(alpha)).ppf((2 * np.arange(1024) + 1) / 2048)
    assert np.abs(middles - exact).max() <= 0.501
    assert (np.diff(middles) >= 0).all() and (middles + middles[::-1] == 65536).all()


def test_of_equal_probabilities_they_are_the_middles_of_equal_parts() -> None:
    assert beta_middles_q16(Fraction(1), 1024) == tuple(range(32, 65536, 64))


def test_a_table_is_tuples_of_integers_within_bounds() -> None:
    assert is_table(((1, 2), (3, 4)), (2, 2), 1, 4)
    for value in (((1, 2), (3, 5)), ((1, 2),), [(1, 2), (3, 4)], ((1, 2), (3, True)), None):
        assert not is_table(value, (2, 2), 1, 4)
