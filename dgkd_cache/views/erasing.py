"""Erasing: a random box becomes black, as torchvision's RandomErasing (Zhong et al., AAAI 2020).

The box has an area uniform in [0.02, 0.33] of the image's and an aspect ratio log-uniform in [0.3, 3.3], in up to 10
attempts; without one that fits, nothing is erased. Integer arithmetic alone: ratios come from a table in the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import torch
from torch import Tensor

from dgkd_cache.views.abc import IntArray, WordArray
from dgkd_cache.views.arguments import probability
from dgkd_cache.views.boxes import ATTEMPTS, RATIOS, are_ratios, box_limits, box_sides, draw_boxes, free_place
from dgkd_cache.views.fixed_point import chance, fixed
from dgkd_cache.views.integer_tables import log_middles_q16
from dgkd_cache.views.operations.mixtures import put_box
from dgkd_cache.views.registry import register_transform
from dgkd_cache.views.sometimes import Sometimes

__all__ = ["Erasing"]

_AREA = fixed("0.02", 24), fixed("0.33", 24)


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
    area_q24: tuple[int, int] = _AREA
    ratio_q16: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio_q16 == ():
            object.__setattr__(self, "ratio_q16", _ratios())
        if self.area_q24 != _AREA or not are_ratios(self.ratio_q16, 2**14, 2**18):
            raise self.refusal(f"areas {self.area_q24!r:.40}, or ratios that are not {RATIOS} rising integers")

    @property
    def limits(self) -> dict[str, int]:
        return super().limits | box_limits(self.area_q24[1])

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        boxes_BP = draw_boxes(words_BW[:, 1:], *self.area_q24)
        return np.concatenate([chance(words_BW[:, :1], self.chance), boxes_BP], axis=1)

    def box(self, parameters: Sequence[int] | IntArray, height: int, width: int) -> tuple[int, int, int, int]:
        """Returns (top, left, height, width) of the box in an image of that size; without one, height and width 0."""
        _, *attempts, row, column = (int(value) for value in parameters)
        for attempt in attempts:
            tall, wide = box_sides(attempt, self.ratio_q16, height * width)
            if tall < height and wide < width:
                return free_place(row, height, tall), free_place(column, width, wide), tall, wide
        return 0, 0, 0, 0

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        height, width = pixels_SIHW.shape[2:]
        boxes = [self.box(parameters, height, width) for parameters in parameters_SP]
        top_S, left_S, tall_S, wide_S = np.array(boxes, np.int64).T
        box_4S = np.stack([top_S, top_S + tall_S, left_S, left_S + wide_S])
        return put_box(pixels_SIHW, torch.zeros_like(pixels_SIHW), box_4S)
