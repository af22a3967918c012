"""Boxes: their parameters from words written out, their sides and places against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from dgkd_cache.views.boxes import ATTEMPTS, are_ratios, box_limits, box_sides, draw_boxes, free_place

RATIO = tuple(range(40_000, 40_064))


def test_parameters_come_from_the_halves_of_the_words() -> None:
    words = [[(7 * place + row) * 0x0123456789ABCDEF % 2**64 for place in range(ATTEMPTS + 1)] for row in range(50)]
    found = draw_boxes(np.array(words, np.uint64), 1000, 5000)
    for row, drawn in zip(words, found.tolist(), strict=True):
        for word, attempt in zip(row[:-1], drawn, strict=False):
            area, ratio = divmod(attempt, 64)
            assert area == 1000 + math.floor(Fraction(word >> 32, 2**32) * 4000)
            assert ratio == math.floor(Fraction(word % 2**32, 2**32) * 64)
        assert drawn[-2:] == [row[-1] >> 32, row[-1] % 2**32]
    limits = box_limits(5000)
    assert [*limits] == [*(f"attempt_{place}" for place in range(10)), "row", "column"]
    assert (found < np.array([*limits.values()])).all() and (found >= 0).all()


@pytest.mark.parametrize("pixels", [1, 7 * 9, 224 * 300, 2**16 * 2**16])
def test_sides_have_the_area_and_the_ratio(pixels: int) -> None:
    for area in (1, 335_544, 2**23 + 1, 2**24 - 1):
        ratio = Fraction(RATIO[5], 2**16)
        squares = (Fraction(pixels * area, 2**24) * ratio, Fraction(pixels * area, 2**24) / ratio)
        for side, square in zip(box_sides(area * 64 + 5, RATIO, pixels), squares, strict=True):
            assert max(side - Fraction(1, 2), 0) ** 2 <= square < (side + Fraction(1, 2)) ** 2


def test_places_are_all_that_are_free_and_equally_wide() -> None:
    firsts = [free_place(part * 2**32 // 8, 10, 3) for part in range(8)]
    assert firsts == [*range(8)] and free_place(2**32 - 1, 10, 3) == 7
    assert free_place(2**32 - 1, 10, 10) == 0


@pytest.mark.parametrize(
    ("table", "known"),
    [
        (RATIO, True),
        (RATIO[:-1], False),
        ([*RATIO], False),
        ((*RATIO[:-1], RATIO[-2]), False),
        ((*RATIO[:-1], 50_000), True),
        ((*RATIO[:-1], 50_001), False),
        ((39_999.0, *RATIO[1:]), False),
    ],
)
def test_a_table_of_ratios_is_64_rising_integers(table: object, known: bool) -> None:
    assert are_ratios(table, 39_000, 50_000) is known
