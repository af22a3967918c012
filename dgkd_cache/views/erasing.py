"""Erasing: a random box becomes black, as torchvision's RandomErasing (Zhong et al., AAAI 2020).

The box has an area uniform in [0.02, 0.33] of the image's and an aspect ratio log-uniform in [0.3, 3.3], in up to 10
attempts; without one that fits, nothing is erased. Integer arithmetic alone: ratios come from a table in the plan.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, WordArray
from dgkd_cache.views.arguments import probability
from dgkd_cache.views.fixed_point import chance, fixed
from dgkd_cache.views.integer_tables import is_table, log_middles_q16
from dgkd_cache.views.registry import register_transform
from dgkd_cache.views.sometimes import Sometimes

__all__ = ["ATTEMPTS", "RATIOS", "Erasing"]

ATTEMPTS = 10
RATIOS = 64  # entries of the table

_AREA_LOW, _AREA_HIGH = fixed("0.02", 24), fixed("0.33", 24)


@cache
def _ratios() -> tuple[int, ...]:
    return log_middles_q16(Fraction("0.3"), Fraction("3.3"), RATIOS)


@register_transform
@dataclass(frozen=True)
class Erasing(Sometimes):
    """Makes a random box of the image black, with probability P (0.5)

    Parameters: applied, 0 or 1; attempt_0 ... attempt_9, each the area in units of 2^-24 of the image's, times 64, plus
    the index of the ratio of height to width; then row and column, the place of the box in units of 2^-32 of the free
    space. They do not depend on the image's size.
    """

    name = "erasing"
    arguments = (probability(),)
    example = "erasing(0.25)"
    stage = 4
    words = ATTEMPTS + 2

    probability: str = "0.5"
    area_q24: tuple[int, int] = (_AREA_LOW, _AREA_HIGH)
    ratio_q16: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio_q16 == ():
            object.__setattr__(self, "ratio_q16", _ratios())
        if self.area_q24 != (_AREA_LOW, _AREA_HIGH) or not _are_ratios(self.ratio_q16):
            raise self.refusal(f"areas {self.area_q24!r:.40}, or ratios that are not {RATIOS} rising integers")

    @property
    def limits(self) -> dict[str, int]:
        attempts = {f"attempt_{attempt}": _AREA_HIGH * RATIOS for attempt in range(ATTEMPTS)}
        return super().limits | attempts | {"row": 2**32, "column": 2**32}

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        lower_BW = words_BW << np.uint64(32)
        area_BA = _AREA_LOW + integer_below(words_BW[:, 1:-1], _AREA_HIGH - _AREA_LOW)
        attempt_BA = area_BA * RATIOS + integer_below(lower_BW[:, 1:-1], RATIOS)
        place = [integer_below(words_BW[:, -1:], 2**32), integer_below(lower_BW[:, -1:], 2**32)]
        return np.concatenate([chance(words_BW[:, :1], self.chance), attempt_BA, *place], axis=1)

    def box(self, parameters: Sequence[int] | IntArray, height: int, width: int) -> tuple[int, int, int, int]:
        """Returns (top, left, height, width) of the box in an image of that size; without one, height and width 0."""
        _, *attempts, row, column = (int(value) for value in parameters)
        for attempt in attempts:
            quadruple, ratio = 4 * height * width * (attempt // RATIOS), self.ratio_q16[attempt % RATIOS]
            # round(sqrt(x)) is (isqrt(4x) + 1) // 2; x is area * ratio for the height, area / ratio for the width
            tall = (math.isqrt(quadruple * ratio >> 40) + 1) // 2
            wide = (math.isqrt(quadruple // (ratio << 8)) + 1) // 2
            if tall < height and wide < width:
                return (row * (height - tall + 1)) >> 32, (column * (width - wide + 1)) >> 32, tall, wide
        return 0, 0, 0, 0

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        height, width = pixels_SIHW.shape[2:]
        boxes = np.array([self.box(parameters, height, width) for parameters in parameters_SP], np.int64)
        top, left, tall, wide = send(boxes.T.copy(), pixels_SIHW.device)[..., None]
        down_H, across_W = (torch.arange(side, device=pixels_SIHW.device) for side in (height, width))
        rows_SH = (down_H >= top) & (down_H < top + tall)
        columns_SW = (across_W >= left) & (across_W < left + wide)
        return pixels_SIHW.masked_fill((rows_SH[:, :, None] & columns_SW[:, None])[:, None], 0)


def _are_ratios(ratios: Any) -> bool:
    return is_table(ratios, (RATIOS,), 2**14, 2**18) and all(low < high for low, high in itertools.pairwise(ratios))
