"""Geometry: rotate, shear and translate, as torchvision's RandomRotation and RandomAffine with nearest pixels.

What comes from outside the image is zero. Angles come from integer tables in the plan, and places from integer
arithmetic (class b).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from torch import Tensor

from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, Transform, WordArray
from dgkd_cache.views.arguments import Decimal
from dgkd_cache.views.fixed_point import STEPS, draw_steps, fixed
from dgkd_cache.views.integer_tables import cos_sin_q30, is_table, tan_q30
from dgkd_cache.views.operations.affine import ONE_Q30, rotated, sample_nearest, sheared, translated
from dgkd_cache.views.registry import register_transform

__all__ = ["ANGLES", "Rotate", "Shear", "Translate"]

ANGLES = 512
"""An angle is the middle of one of so many equal parts of its range; the table has those above 0."""


@register_transform
@dataclass(frozen=True)
class Rotate(Transform):
    """Turns by a random angle of up to DEGREES to either side

    Parameter: angle, the part of the range from -DEGREES to DEGREES, out of 512. `cos_sin_q30` has the cosine and the
    sine of the 256 angles above 0.
    """

    name = "rotate"
    arguments = (Decimal("DEGREES", "an angle", "0", "180"),)
    example = "rotate(15)"
    stage = 3
    words = 1

    degrees: str
    cos_sin_q30: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cos_sin_q30 == ():
            object.__setattr__(self, "cos_sin_q30", _cos_sin_table(self.degrees))
        if not is_table(self.cos_sin_q30, (ANGLES // 2, 2), -ONE_Q30, ONE_Q30):
            raise self.refusal(f"a table of cosines and sines that is not {ANGLES // 2} pairs of at most 2^30")

    @property
    def limits(self) -> dict[str, int]:
        return {"angle": ANGLES}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return integer_below(words_BW, ANGLES)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        place_B, sign_B = _place_and_sign(parameters_BP[:, 0])
        cos_B, sin_B = np.array(self.cos_sin_q30, np.int64)[place_B].T
        return sample_nearest(pixels_BIHW, rotated(cos_B, sign_B * sin_B))


@register_transform
@dataclass(frozen=True)
class Shear(Transform):
    """Slants rows by a random angle of up to DEGREES to either side

    Parameter: angle, as in rotate. `tan_q30` has the tangents of the 256 angles above 0.
    """

    name = "shear"
    arguments = (Decimal("DEGREES", "an angle", "0", "80"),)
    example = "shear(10)"
    stage = 3
    words = 1

    degrees: str
    tan_q30: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tan_q30 == ():
            object.__setattr__(self, "tan_q30", _tan_table(self.degrees))
        if not is_table(self.tan_q30, (ANGLES // 2,), 0, 8 * ONE_Q30):
            raise self.refusal(f"a table of tangents that is not {ANGLES // 2} integers from 0 to 2^33")

    @property
    def limits(self) -> dict[str, int]:
        return {"angle": ANGLES}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return integer_below(words_BW, ANGLES)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        place_B, sign_B = _place_and_sign(parameters_BP[:, 0])
        return sample_nearest(pixels_BIHW, sheared(sign_B * np.array(self.tan_q30, np.int64)[place_B], axis=0))


@register_transform
@dataclass(frozen=True)
class Translate(Transform):
    """Shifts by up to FRACTION of the width and of the height, in whole pixels

    Parameters: right and down, each a step out of 65536 of the range from -FRACTION to FRACTION.
    """

    name = "translate"
    arguments = (Decimal("FRACTION", "a part of the side", "0", "1"),)
    example = "translate(0.1)"
    stage = 3
    words = 2

    fraction: str

    @property
    def limits(self) -> dict[str, int]:
        return {"right": STEPS, "down": STEPS}

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        return draw_steps(words_BW)

    def shift(self, steps_B: IntArray, side: int) -> IntArray:
        """Returns the pixels by which an image is shifted along a side of so many, halves upwards."""
        part_B = side * fixed(self.fraction) * (2 * steps_B + 1 - STEPS)
        return (part_B + 2**31) >> 32

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        height, width = pixels_BIHW.shape[2:]
        right_B, down_B = self.shift(parameters_BP[:, 0], width), self.shift(parameters_BP[:, 1], height)
        return sample_nearest(pixels_BIHW, translated(right_B, down_B))


@lru_cache(maxsize=8)
def _cos_sin_table(degrees: str) -> tuple[tuple[int, int], ...]:
    return tuple(map(cos_sin_q30, _angles(degrees)))


@lru_cache(maxsize=8)
def _tan_table(degrees: str) -> tuple[int, ...]:
    return tuple(map(tan_q30, _angles(degrees)))


def _angles(degrees: str) -> list[Fraction]:
    return [Fraction(degrees) * (2 * part + 1) / ANGLES for part in range(ANGLES // 2)]


def _place_and_sign(angle_B: IntArray) -> tuple[IntArray, IntArray]:
    """Returns the place in the table of the angles above 0, and 1 or -1."""
    above_B = angle_B - ANGLES // 2
    return np.where(above_B >= 0, above_B, -1 - above_B), np.where(above_B >= 0, 1, -1)
