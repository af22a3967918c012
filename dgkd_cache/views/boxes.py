"""Random boxes, as resized-crop and erasing draw them: up to ten attempts at an area and an aspect ratio, and a place.

An attempt is the area in units of 2^-24 of the image's, times 64, plus the index of the ratio in a table of 64. The
place is a row and a column in units of 2^-32 of the free space. All is integer arithmetic, and the table stands in the
plan, so a box is the same on every machine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, WordArray
from dgkd_cache.views.integer_tables import is_table

__all__ = ["ATTEMPTS", "RATIOS", "are_ratios", "box_limits", "box_sides", "draw_boxes", "free_place"]

ATTEMPTS = 10
RATIOS = 64  # entries of the table


def box_limits(highest_q24: int) -> dict[str, int]:
    """Returns the parameters of a box by name, each with its exclusive upper bound; areas are below `highest_q24`."""
    attempts = {f"attempt_{attempt}": highest_q24 * RATIOS for attempt in range(ATTEMPTS)}
    return attempts | {"row": 2**32, "column": 2**32}


def draw_boxes(words_BW: WordArray, low_q24: int, high_q24: int) -> IntArray:
    """Returns the parameters of a box for each row of 11 words, int64 [B, 12]; areas are in [low, high)."""
    lower_BW = words_BW << np.uint64(32)
    area_BA = low_q24 + integer_below(words_BW[:, :ATTEMPTS], high_q24 - low_q24)
    attempt_BA = area_BA * RATIOS + integer_below(lower_BW[:, :ATTEMPTS], RATIOS)
    place = [integer_below(words[:, ATTEMPTS:], 2**32) for words in (words_BW, lower_BW)]
    return np.concatenate([attempt_BA, *place], axis=1)


def box_sides(attempt: int, ratio_q16: Sequence[int], pixels: int) -> tuple[int, int]:
    """Returns the sides of a box in an image of so many pixels, rounded: the first is `ratio` times the second."""
    quadruple, ratio = 4 * pixels * (attempt // RATIOS), ratio_q16[attempt % RATIOS]
    # round(sqrt(x)) is (isqrt(4x) + 1) // 2; x is area * ratio for the first side, area / ratio for the second.
    return (math.isqrt(quadruple * ratio >> 40) + 1) // 2, (math.isqrt(quadruple // (ratio << 8)) + 1) // 2


def free_place(drawn: int, side: int, taken: int) -> int:
    """Returns the first pixel of a box that takes so many pixels of a side; `drawn` is in units of 2^-32."""
    return (drawn * (side - taken + 1)) >> 32


def are_ratios(table: Any, low: int, high: int) -> bool:
    """Returns whether a table has 64 rising integers from `low` to `high`."""
    return is_table(table, (RATIOS,), low, high) and all(one < two for one, two in itertools.pairwise(table))
