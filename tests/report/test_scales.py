"""Scales: round ticks, and positions that are linear in the data or its logarithm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from dgkd_cache.report.scales import linear, logarithmic, tick_text

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def test_a_linear_scale() -> None:
    scale = linear(61.2, 73.9, 0, 100)
    assert (scale.low, scale.high, scale.ticks) == (60, 75, (60, 65, 70, 75))
    assert [scale(60), scale(67.5), scale(75)] == [0, 50, 100]
    exact = linear(0, 30, 10, 20, nice=False)
    assert (exact.low, exact.high, exact(30)) == (0, 30, 20)


@given(low=NUMBERS, high=NUMBERS)
def test_every_range_has_ticks_inside(low: float, high: float) -> None:
    scale = linear(min(low, high), max(low, high), 0, 300)
    assert 2 <= len(scale.ticks) <= 14 and scale.low < scale.high
    assert scale.low <= min(low, high) and max(low, high) <= scale.high or low == high
    assert all(-1e-6 <= scale(value) <= 300 + 1e-6 for value in (*scale.ticks, low, high))


def test_a_logarithmic_scale() -> None:
    scale = logarithmic(0.001, 1.0, 0, 300)
    assert set(scale.ticks) >= {0.001, 0.01, 0.1, 1}
    assert scale(0.01) - scale(0.001) == pytest.approx(scale(1) - scale(0.1))
    assert scale(0.1) == pytest.approx(300 * math.log10(0.1 * 1.2 / 0.001) / math.log10(1000 * 1.44))
    assert len(logarithmic(3, 3.1, 0, 1).ticks) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-2.5, "−2.5"), (0.001, "0.001"), (1500, "1500"), (20_000, "20k"), (2_500_000, "2.5M")],
)
def test_texts_of_ticks(value: float, text: str) -> None:
    assert tick_text(value) == text
