"""Numbers as text."""

from __future__ import annotations

import pytest

from dgkd_cache.report import numbers
from dgkd_cache.report.results_file import Comparison, Summary

ONE = Comparison(
    variant="kd",
    reference="scratch",
    seeds=(0, 1),
    differences=(0.01, 0.02),
    mean=0.015,
    low=-0.0485,
    high=0.0785,
    p=0.2,
    adjusted_p=0.4,
    detectable=0.1,
    verdict="inconclusive",
    exploratory=True,
)


def test_shares_and_differences() -> None:
    assert (numbers.percent(0.91234), numbers.percent(0.5, 1), numbers.percent(None)) == ("91.23 %", "50.0 %", "–")
    assert (numbers.points(0.0123), numbers.points(-0.004), numbers.points(None)) == ("+1.23", "−0.40", "–")
    assert (numbers.difference(ONE), numbers.interval(ONE)) == ("+1.50", "−4.85 to +7.85")
    assert (numbers.difference(None), numbers.interval(None)) == ("–", "–")
    assert numbers.interval(ONE.model_copy(update={"low": None, "high": None})) == "–"


def test_a_spread_that_hides_every_difference_has_none_to_find() -> None:
    more = ONE.model_copy(update={"detectable": 1.3})
    assert [numbers.detectable(one) for one in (ONE, more, None)] == ["10.00", "none", "–"]
    assert numbers.detectable(ONE.model_copy(update={"detectable": None})) == "–"


def test_spreads() -> None:
    assert numbers.spread(Summary(n=5, mean=0.9, deviation=0.0123)) == "90.00 ± 1.23 %"
    assert numbers.spread(Summary(n=1, mean=0.9, deviation=None)) == "90.00 %"
    assert numbers.spread(Summary(n=2, mean=0.3, deviation=0.01), scale=1, digits=3, unit="") == "0.300 ± 0.010"
    assert numbers.spread(None) == "–"


@pytest.mark.parametrize(("p", "text"), [(None, "–"), (0.0004, "< 0.001"), (0.0314, "0.031"), (1.0, "1.000")])
def test_p_values(p: float | None, text: str) -> None:
    assert numbers.p_value(p) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (12.34, "12.3 s"), (600, "10.0 min"), (9000, "2.5 h"), (0.0, "0.0 s")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_other_numbers() -> None:
    assert (numbers.real(-0.5), numbers.real(None), numbers.whole(12345), numbers.whole(None)) == (
        "−0.500",
        "–",
        "12,345",
        "–",
    )


def test_sparsities_and_draws() -> None:
    assert [numbers.removed(share) for share in (0.0, 0.07, 0.5, 0.975, 0.9999)] == ["0", "7", "50", "97.5", "99.99"]
    assert [numbers.draws(count) for count in (1, 2, 16, 1024)] == ["1 draw", "2 draws", "16 draws", "1,024 draws"]
