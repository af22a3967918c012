"""resized-crop: a box of random area and aspect ratio, resized to one size, as torchvision's RandomResizedCrop.

Area uniform in [0.08, 1), aspect ratio log-uniform in [3/4, 4/3], up to 10 attempts, then the central crop (Szegedy et
al., "Going deeper with convolutions", and torchvision). Here everything is integer arithmetic: the ratios come from a
table in the plan, so a box is the same on every machine. Its pixels are torchvision's (class c).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, Transform, WordArray
from dgkd_cache.views.arguments import Integer
from dgkd_cache.views.integer_tables import log_middles_q16
from dgkd_cache.views.kernel import resized_crop
from dgkd_cache.views.registry import register_transform

__all__ = ["ATTEMPTS", "MAX_SIZE", "ResizedCrop", "ratio_table"]

MAX_SIZE = 1024
ATTEMPTS = 10
RATIOS = 64  # entries of the table

_AREA_BITS = 24
_AREA_LOW, _AREA_HIGH = 1342177, 2**_AREA_BITS  # 0.08 and 1 in units of 2^-24
_RATIO_BITS = 16


@cache
def ratio_table() -> tuple[int, ...]:
    """Returns 64 aspect ratios in units of 2^-16: the midpoints of 64 equal parts of [ln 3/4, ln 4/3]."""
    return log_middles_q16(Fraction(3, 4), Fraction(4, 3), RATIOS)


@register_transform
@dataclass(frozen=True)
class ResizedCrop(Transform):
    """Cuts a random box out of the image and resizes it to PIXELS x PIXELS, as torchvision's RandomResizedCrop

    Parameters, which do not depend on the image's size: attempt_0 ... attempt_9, each the area in units of
    2^-24 of the image's, times 64, plus the index of the ratio; then row and column, the place of the box in
    units of 2^-32 of the free space.
    """

    name = "resized-crop"
    arguments = (Integer("PIXELS", "a size", 1, MAX_SIZE, "pixels"),)
    example = "resized-crop(224)"
    stage = 0
    words = ATTEMPTS + 1
    exact = False
    any_size = True

    size: int
    ratio_q16: tuple[int, ...] = ratio_table()

    def to_dict(self) -> dict[str, Any]:
        area = {"area_q24": [_AREA_LOW, _AREA_HIGH], "attempts": ATTEMPTS}
        return super().to_dict() | area | {"ratio_q16": list(self.ratio_q16)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        cls.check_keys(record, "name", "size", "area_q24", "attempts", "ratio_q16")
        if record["area_q24"] != [_AREA_LOW, _AREA_HIGH] or record["attempts"] != ATTEMPTS:
            raise cls.refusal(f"area {record['area_q24']!r:.40} and {record['attempts']!r:.40} attempts")
        return cls(record["size"], _check_ratios(record["ratio_q16"]))

    @property
    def limits(self) -> dict[str, int]:
        attempts = {f"attempt_{attempt}": _AREA_HIGH * RATIOS for attempt in range(ATTEMPTS)}
        return attempts | {"row": 2**32, "column": 2**32}

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        lower_BW = words_BW << np.uint64(32)
        area_BA = _AREA_LOW + integer_below(words_BW[:, :ATTEMPTS], _AREA_HIGH - _AREA_LOW)
        ratio_BA = integer_below(lower_BW[:, :ATTEMPTS], RATIOS)
        row_B1 = integer_below(words_BW[:, ATTEMPTS:], 2**32)
        column_B1 = integer_below(lower_BW[:, ATTEMPTS:], 2**32)
        return np.concatenate([area_BA * RATIOS + ratio_BA, row_B1, column_B1], axis=1)

    def output_size(self, height: int | None, width: int | None) -> tuple[int, int]:
        return self.size, self.size

    def box(self, parameters: Sequence[int] | IntArray, height: int, width: int) -> tuple[int, int, int, int]:
        """Returns (top, left, height, width) of the box in an image of that size, by exact integer arithmetic."""
        *attempts, row, column = (int(value) for value in parameters)
        box_height, box_width = self._box_size(attempts, height, width)
        if box_height == 0:
            box_height, box_width = _central_size(height, width)
            return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width
        top = (row * (height - box_height + 1)) >> 32
        left = (column * (width - box_width + 1)) >> 32
        return top, left, box_height, box_width

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        height, width = pixels_BIHW.shape[-2:]
        boxes = (self.box(parameters, height, width) for parameters in parameters_BP)
        return torch.stack([resized_crop(image, box, self.size) for image, box in zip(pixels_BIHW, boxes, strict=True)])

    def _box_size(self, attempts: Sequence[int], height: int, width: int) -> tuple[int, int]:
        for attempt in attempts:
            area, ratio = attempt // RATIOS, self.ratio_q16[attempt % RATIOS]
            # round(sqrt(x)) is (isqrt(4x) + 1) // 2; x is area * ratio for the width, area / ratio for the
            # height.
            quadruple = 4 * height * width * area
            box_width = (math.isqrt(quadruple * ratio >> (_AREA_BITS + _RATIO_BITS)) + 1) // 2
            box_height = (math.isqrt(quadruple // (ratio << (_AREA_BITS - _RATIO_BITS))) + 1) // 2
            if 0 < box_width <= width and 0 < box_height <= height:
                return box_height, box_width
        return 0, 0


def _central_size(height: int, width: int) -> tuple[int, int]:
    """Returns height and width of the largest central box whose ratio width / height is in [3/4, 4/3]."""
    if 4 * width < 3 * height:
        return (8 * width + 3) // 6, width
    if 3 * width > 4 * height:
        return height, (8 * height + 3) // 6
    return height, width


def _check_ratios(ratios: Any) -> tuple[int, ...]:
    numbers = ratios if isinstance(ratios, list) and all(type(ratio) is int for ratio in ratios) else []
    rising = all(low < high for low, high in itertools.pairwise(numbers))
    if len(numbers) != RATIOS or not rising or not 2**15 <= numbers[0] <= numbers[-1] <= 2**17:
        raise ResizedCrop.refusal(f"a ratio table that is not {RATIOS} rising integers between 2^15 and 2^17")
    return tuple(numbers)
