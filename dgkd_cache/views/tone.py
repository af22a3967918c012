"""Tones: posterize, solarize, autocontrast, equalize and sharpness, each applied with a probability.

They are torchvision's RandomPosterize, RandomSolarize and so on, in integer arithmetic on uint8 (class b).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.arguments import Decimal, Integer, probability
from dgkd_cache.views.fixed_point import fixed
from dgkd_cache.views.operations import levels, neighbours
from dgkd_cache.views.registry import register_transform
from dgkd_cache.views.sometimes import Sometimes

__all__ = ["Autocontrast", "Equalize", "Posterize", "Sharpness", "Solarize"]


@register_transform
@dataclass(frozen=True)
class Posterize(Sometimes):
    """Keeps the highest BITS bits of each pixel, with probability P (0.5)"""

    name = "posterize"
    arguments = (Integer("BITS", "a number of bits", 1, 8), probability())
    example = "posterize(4, 0.5)"
    stage = 3

    bits: int
    probability: str = "0.5"

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        return levels.posterize(pixels_SIHW, np.full(len(parameters_SP), self.bits))


@register_transform
@dataclass(frozen=True)
class Solarize(Sometimes):
    """Inverts the pixels that are THRESHOLD (0 to 255) or more, with probability P (0.5)"""

    name = "solarize"
    arguments = (Integer("THRESHOLD", "a threshold", 0, 255), probability())
    example = "solarize(128, 0.5)"
    stage = 3

    threshold: int
    probability: str = "0.5"

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        return levels.solarize(pixels_SIHW, np.full(len(parameters_SP), self.threshold))


@register_transform
@dataclass(frozen=True)
class Autocontrast(Sometimes):
    """Stretches each channel to all levels, with probability P (0.5)"""

    name = "autocontrast"
    arguments = (probability(),)
    example = "autocontrast(0.5)"
    stage = 3

    probability: str = "0.5"

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        return levels.autocontrast(pixels_SIHW)


@register_transform
@dataclass(frozen=True)
class Equalize(Sometimes):
    """Makes the levels of each channel equally frequent, with probability P (0.5)"""

    name = "equalize"
    arguments = (probability(),)
    example = "equalize(0.5)"
    stage = 3

    probability: str = "0.5"

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        return levels.equalize(pixels_SIHW)


@register_transform
@dataclass(frozen=True)
class Sharpness(Sometimes):
    """Sharpens by FACTOR (0 smooths, 1 changes nothing, 2 sharpens), with probability P (0.5)"""

    name = "sharpness"
    arguments = (Decimal("FACTOR", "a factor", "0", "10"), probability())
    example = "sharpness(2, 0.5)"
    stage = 3

    factor: str
    probability: str = "0.5"

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        return neighbours.sharpness(pixels_SIHW, np.full(len(parameters_SP), fixed(self.factor)))
