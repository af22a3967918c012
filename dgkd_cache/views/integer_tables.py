"""Tables of cosines, tangents, weights, ratios and quantiles as integers, computed when a plan is built.

They stand in the plan: exp, log and sin differ between processors, so nothing but the maker of a plan computes them, in
decimals of 50 digits. Whoever reads a plan takes its tables, after a look at their shape and bounds.
"""

from __future__ import annotations

import decimal
from bisect import bisect_right
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

from dgkd_cache.views.fixed_point import ONE_Q16, nearest

__all__ = ["beta_middles_q16", "cos_sin_q30", "gaussian_q16", "is_table", "log_middles_q16", "tan_q30"]

_DIGITS = 50
_BETA_DIGITS = 24


def cos_sin_q30(degrees: Fraction) -> tuple[int, int]:
    """Returns cosine and sine of an angle from 0 to 180 degrees, q30."""
    cosine, sine = _cos_sin(min(degrees, 180 - degrees))
    return _fixed(-cosine if degrees > 90 else cosine, 30), _fixed(sine, 30)


def tan_q30(degrees: Fraction) -> int:
    """Returns the tangent of an angle from 0 to 89 degrees, q30."""
    with decimal.localcontext(prec=_DIGITS):
        cosine, sine = _cos_sin(degrees)
        return _fixed(sine / cosine, 30)


def gaussian_q16(sigma: Fraction, radius: int) -> tuple[int, ...]:
    """Returns the weights of the distances 0 to `radius` in pixels, q16: all but that of 0 count twice; sum 65536."""
    with decimal.localcontext(prec=_DIGITS):
        halves = [(_decimal(-(Fraction(distance) ** 2) / (2 * sigma**2))).exp() for distance in range(radius + 1)]
        total = 2 * sum(halves) - 1
        outer = [_fixed(half / total, 16) for half in halves[1:]]
    return (ONE_Q16 - 2 * sum(outer), *outer)


def log_middles_q16(low: Fraction, high: Fraction, parts: int) -> tuple[int, ...]:
    """Returns the numbers, q16, whose logarithms are the middles of equal parts of [ln low, ln high]."""
    with decimal.localcontext(prec=_DIGITS):
        first, last = _decimal(low).ln(), _decimal(high).ln()
        middles = (first + (last - first) * (2 * part + 1) / (2 * parts) for part in range(parts))
        return tuple(_fixed(middle.exp(), 16) for middle in middles)


@cache
def beta_middles_q16(alpha: Fraction, parts: int) -> tuple[int, ...]:
    """Returns the quantiles of Beta(alpha, alpha), q16, in the middles of an even number of equally probable parts.

    They are symmetric: the last one is 1 minus the first one. Each is found by the distribution function at the numbers
    halfway between two of q16, so the function is never inverted.
    """
    low_half = parts // 2
    assert parts == 2 * low_half
    with decimal.localcontext(prec=_BETA_DIGITS):
        power, half = _decimal(alpha), Decimal(1) / 2
        whole = _beta_integral(half, power)  # the distribution function is 1/2 there

        @cache
        def twice_below(number: int) -> Decimal:
            """Returns twice the probability of what rounds to a q16 below `number`."""
            return _beta_integral((number - half) / ONE_Q16, power) / whole

        numbers, found = range(1, ONE_Q16 // 2 + 1), []
        for part in range(low_half):
            found.append(bisect_right(numbers, Decimal(2 * part + 1) / parts, key=twice_below))
    return (*found, *(ONE_Q16 - one for one in reversed(found)))


def is_table(value: Any, shape: tuple[int, ...], low: int, high: int) -> bool:
    """Returns whether a value is tuples of integers of that shape, from `low` to `high`."""
    if not shape:
        return type(value) is int and low <= value <= high
    return type(value) is tuple and len(value) == shape[0] and all(is_table(one, shape[1:], low, high) for one in value)


def _cos_sin(degrees: Fraction) -> tuple[Decimal, Decimal]:
    """Returns cosine and sine of an angle from 0 to 90 degrees, by their series."""
    with decimal.localcontext(prec=_DIGITS):
        angle = _decimal(degrees) * _pi() / 180
        term, place, sums = Decimal(1), 0, [Decimal(0), Decimal(0)]
        while abs(term) > Decimal(10) ** -_DIGITS:
            sums[place % 2] += term if place % 4 < 2 else -term
            place += 1
            term = term * angle / place
        return sums[0], sums[1]


def _beta_integral(x: Decimal, alpha: Decimal) -> Decimal:
    """Returns the integral of (t (1 - t))^(alpha - 1) from 0 to x, at most 1/2, times alpha, by its series."""
    term = total = Decimal(1)
    place = 0
    while term > total.scaleb(-_BETA_DIGITS):
        term *= x * (2 * alpha + place) / (alpha + place + 1)
        total += term
        place += 1
    return (x * (1 - x)) ** alpha * total


@cache
def _pi() -> Decimal:
    """Returns pi by Machin's formula: 16 arctan(1/5) - 4 arctan(1/239)."""
    with decimal.localcontext(prec=_DIGITS + 5):
        return 16 * _arctan_of_inverse(5) - 4 * _arctan_of_inverse(239)


def _arctan_of_inverse(x: int) -> Decimal:
    term, place, total = Decimal(1) / x, 1, Decimal(0)
    while term > Decimal(10) ** -(_DIGITS + 5):
        total += term / place if place % 4 == 1 else -term / place
        term, place = term / (x * x), place + 2
    return total


def _decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)


def _fixed(x: Decimal, bits: int) -> int:
    return nearest(Fraction(x) * 2**bits)
