"""Exact numbers from words and decimals, against fractions, and by chi-square against what a biased draw gives."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.fixed_point import STEPS, chance, draw_steps, fixed, is_even_chance, nearest, step_value


@given(st.fractions(-1000, 1000))
def test_nearest_is_within_a_half_and_halves_go_up(x: Fraction) -> None:
    found = nearest(x)
    assert -Fraction(1, 2) <= x - found < Fraction(1, 2)
    assert nearest(Fraction(found) + Fraction(1, 2)) == found + 1


def test_fixed_point_of_decimals() -> None:
    assert (fixed("0.5"), fixed("1"), fixed("0"), fixed(3, 4)) == (32768, 65536, 0, 48)
    assert fixed("0.4") == round(0.4 * 65536) and fixed("0.1", 30) == round(0.1 * 2**30)
    assert fixed(Fraction(-1, 3)) == -21845


@pytest.mark.parametrize("probability", ["0", "0.1", "0.25", "0.5", "0.999999999", "1"])
def test_a_chance_compares_the_upper_half_of_a_word(probability: str) -> None:
    below = round(Fraction(probability) * 2**32)
    edge = [value for value in (0, below - 1, below, 2**32 - 1) if 0 <= value < 2**32]
    words = np.array([value << 32 | 0xFFFFFFFF for value in edge], np.uint64)
    assert chance(words, probability).tolist() == [int(value < below) for value in edge]
    assert is_even_chance(probability) == (probability == "0.5")


@pytest.mark.parametrize("probability", ["0.03", "0.25", "0.9"])
def test_a_chance_is_as_frequent_as_it_says(probability: str) -> None:
    words = philox_words(bytes(16), view=3, domain=0, first_block=0, blocks=50_000)
    expected = float(probability) * len(words), (1 - float(probability)) * len(words)
    taken = int(chance(words, probability).sum())
    assert stats.chisquare([taken, len(words) - taken], expected).pvalue > 1e-3
    biased = int(((words >> np.uint64(32)).astype(np.float64) / 2**32 < float(probability) * 1.1).sum())
    assert stats.chisquare([biased, len(words) - biased], expected).pvalue < 1e-6


@given(st.integers(-(2**21), 2**21), st.integers(0, 2**21))
def test_steps_are_the_middles_of_equal_parts(low: int, width: int) -> None:
    steps = np.array([0, 1, STEPS // 2, STEPS - 1])
    exact = [low + Fraction(width * (2 * step + 1), 2 * STEPS) for step in steps.tolist()]
    assert step_value(steps, low, low + width).tolist() == [int(x // 1) for x in exact]


def test_steps_are_equally_frequent() -> None:
    words = philox_words(bytes(16), view=4, domain=0, first_block=0, blocks=50_000)
    steps = draw_steps(words)
    assert 0 <= steps.min() and steps.max() < STEPS
    assert stats.chisquare(np.bincount(steps // 512, minlength=128)).pvalue > 1e-3
    biased = ((words >> np.uint64(32)).astype(np.float64) / 2**32) ** 1.03 * 128
    assert stats.chisquare(np.bincount(biased.astype(np.int64), minlength=128)).pvalue < 1e-3
