"""Exact numbers from random words and decimals: probabilities, equal steps of a range, and fixed point.

A number x in fixed point of b bits ("q16" for 16) is the integer next to x * 2^b, halves upwards; with integers alone,
every machine and every device finds the same.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, WordArray

__all__ = ["ONE_Q16", "STEPS", "chance", "draw_steps", "fixed", "is_even_chance", "nearest", "step_value"]

ONE_Q16 = 2**16

STEPS = 2**16
"""A continuous magnitude is drawn as one of so many equal parts of its range."""

_CHANCE_BITS = 32


def nearest(x: Fraction) -> int:
    """Returns the integer next to x, halves upwards."""
    return math.floor(x + Fraction(1, 2))


def fixed(x: Fraction | str | int, bits: int = 16) -> int:
    """Returns x, a number or a decimal, in fixed point."""
    return nearest(Fraction(x) * 2**bits)


def chance(words_B: WordArray, probability: str) -> IntArray:
    """Returns int64 [B]: 1 where the upper half of a word is below probability * 2^32, else 0."""
    below = fixed(probability, _CHANCE_BITS)
    return ((words_B >> np.uint64(32)) < np.uint64(below)).astype(np.int64)


def is_even_chance(probability: str) -> bool:
    """Returns whether 0 and 1 are equally probable."""
    return 2 * Fraction(probability) == 1


def step_value(steps_B: IntArray, low: int, high: int) -> IntArray:
    """Returns the middle of each step, from 0 to STEPS - 1, of the range from `low` to `high`, rounded down."""
    return low + ((high - low) * (2 * steps_B + 1) >> 17)


def draw_steps(words: WordArray) -> IntArray:
    """Returns a step of a range for each word."""
    return integer_below(words, STEPS)
