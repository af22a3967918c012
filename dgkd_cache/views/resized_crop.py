"""resized-crop: a box of random area and aspect ratio, resized to one size, as torchvision's RandomResizedCrop.

Area uniform in [0.08, 1), aspect ratio log-uniform in [3/4, 4/3], up to 10 attempts, then the central crop (Szegedy et
al., "Going deeper with convolutions", and torchvision). Here everything is integer arithmetic: the ratios come from a
table in the plan, so a box is the same on every machine. Its pixels are torchvision's (class c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import torch
from torch import Tensor

from dgkd_cache.views.abc import IntArray, Transform, WordArray
from dgkd_cache.views.arguments import Integer
from dgkd_cache.views.boxes import ATTEMPTS, RATIOS, are_ratios, box_limits, box_sides, draw_boxes, free_place
from dgkd_cache.views.integer_tables import log_middles_q16
from dgkd_cache.views.kernel import resized_crop
from dgkd_cache.views.registry import register_transform

__all__ = ["MAX_SIZE", "ResizedCrop", "ratio_table"]

MAX_SIZE = 1024

_AREA = 1342177, 2**24  # 0.08 and 1 in units of 2^-24


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
    area_q24: tuple[int, int] = _AREA
    attempts: int = ATTEMPTS
    ratio_q16: tuple[int, ...] = ratio_table()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.area_q24 != _AREA or self.attempts != ATTEMPTS:
            raise self.refusal(f"area {self.area_q24!r:.40} and {self.attempts!r:.40} attempts")
        if not are_ratios(self.ratio_q16, 2**15, 2**17):
            raise self.refusal(f"a ratio table that is not {RATIOS} rising integers between 2^15 and 2^17")

    @property
    def limits(self) -> dict[str, int]:
        return box_limits(self.area_q24[1])

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        return draw_boxes(words_BW, *self.area_q24)

    def output_size(self, height: int | None, width: int | None) -> tuple[int, int]:
        return self.size, self.size

    def box(self, parameters: Sequence[int] | IntArray, height: int, width: int) -> tuple[int, int, int, int]:
        """Returns (top, left, height, width) of the box in an image of that size, by exact integer arithmetic."""
        *attempts, row, column = (int(value) for value in parameters)
        for attempt in attempts:
            box_width, box_height = box_sides(attempt, self.ratio_q16, height * width)
            if 0 < box_width <= width and 0 < box_height <= height:
                top, left = free_place(row, height, box_height), free_place(column, width, box_width)
                return top, left, box_height, box_width
        box_height, box_width = _central_size(height, width)
        return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        height, width = pixels_BIHW.shape[-2:]
        boxes = (self.box(parameters, height, width) for parameters in parameters_BP)
        return torch.stack([resized_crop(image, box, self.size) for image, box in zip(pixels_BIHW, boxes, strict=True)])


def _central_size(height: int, width: int) -> tuple[int, int]:
    """Returns height and width of the largest central box whose ratio width / height is in [3/4, 4/3]."""
    if 4 * width < 3 * height:
        return (8 * width + 3) // 6, width
    if 3 * width > 4 * height:
        return height, (8 * height + 3) // 6
    return height, width
