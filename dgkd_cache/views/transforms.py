"""The transforms without interpolation: crop, hflip and none; pixels are exact on every machine (class b)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, Transform, WordArray
from dgkd_cache.views.arguments import Integer
from dgkd_cache.views.kernel import gather_crop_flip
from dgkd_cache.views.registry import register_transform

__all__ = ["MAX_PADDING", "Crop", "Hflip", "Unchanged"]

MAX_PADDING = 1024


@register_transform
@dataclass(frozen=True)
class Crop(Transform):
    """Pads by PIXELS zeros on every side, then cuts the image's size out at a random place

    Parameters: dy and dx, the first row and column of the crop in the padded image, each in [0, 2 * padding].
    """

    name = "crop"
    arguments = (Integer("PIXELS", "a padding", 1, MAX_PADDING, "pixels"),)
    example = "crop(4)"
    stage = 1
    words = 2

    padding: int

    @property
    def limits(self) -> dict[str, int]:
        return {"dy": 2 * self.padding + 1, "dx": 2 * self.padding + 1}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return integer_below(words_BW, 2 * self.padding + 1)

    def output_size(self, height: int | None, width: int | None) -> tuple[int, int]:
        height, width = super().output_size(height, width)
        if self.padding >= min(height, width):
            raise InvalidInput(
                f"crop({self.padding}) would cut away whole images",
                expected=f"a padding below the image's {min(height, width)} pixels",
                found=str(self.padding),
                do=f"write crop({max(1, min(height, width) // 8)}) or leave it out",
            )
        return height, width

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        everything = np.arange(len(parameters_BP))
        dy_B, dx_B = parameters_BP.T
        none_B = np.zeros_like(dy_B)
        return gather_crop_flip(pixels_BIHW, everything, dy_B=dy_B, dx_B=dx_B, flip_B=none_B, padding=self.padding)


@register_transform
@dataclass(frozen=True)
class Hflip(Transform):
    """Mirrors left and right with probability 1/2

    Parameter: flip, 0 or 1.
    """

    name = "hflip"
    stage = 2
    words = 1

    @property
    def limits(self) -> dict[str, int]:
        return {"flip": 2}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return integer_below(words_BW, 2)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        everything = np.arange(len(parameters_BP))
        none_B = np.zeros(len(parameters_BP), np.int64)
        return gather_crop_flip(
            pixels_BIHW, everything, dy_B=none_B, dx_B=none_B, flip_B=parameters_BP[:, 0], padding=0
        )


@register_transform
@dataclass(frozen=True)
class Unchanged(Transform):
    """Leaves images as they are; it must be the only transform"""

    name = "none"
    alone = True
    stage = 0
    words = 0

    @property
    def limits(self) -> dict[str, int]:
        return {}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return np.empty((len(words_BW), 0), np.int64)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        return pixels_BIHW
