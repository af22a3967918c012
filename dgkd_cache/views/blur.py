"""Gaussian blur with a random width, as torchvision's GaussianBlur, from integer weights that stand in the plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, WordArray
from dgkd_cache.views.arguments import Decimal, probability
from dgkd_cache.views.fixed_point import ONE_Q16, chance
from dgkd_cache.views.integer_tables import gaussian_q16, is_table
from dgkd_cache.views.operations import neighbours
from dgkd_cache.views.registry import register_transform
from dgkd_cache.views.sometimes import Sometimes

__all__ = ["SIGMAS", "Blur"]

SIGMAS = 64
"""A standard deviation is the middle of one of so many equal parts of its range."""


@register_transform
@dataclass(frozen=True)
class Blur(Sometimes):
    """Blurs by a Gaussian of SIGMA_LOW (0.1) to SIGMA_HIGH (2) pixels, with probability P (1)

    Pixels up to 3 SIGMA_HIGH away count, rounded up. Parameters: applied, 0 or 1; sigma, the part of the range, out of
    64. `weights_q16` has, for each of them, the weights of the distances from 0 on.
    """

    name = "blur"
    arguments = (
        Decimal("SIGMA_LOW", "a standard deviation", "0.01", "10"),
        Decimal("SIGMA_HIGH", "a standard deviation", "0.01", "10"),
        probability(),
    )
    example = "blur(0.1, 2, 0.5)"
    stage = 3
    words = 2

    sigma_low: str = "0.1"
    sigma_high: str = "2"
    probability: str = "1"
    weights_q16: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = Fraction(self.sigma_low), Fraction(self.sigma_high)
        if low > high:
            raise self.bad_value(f"a SIGMA_HIGH from {self.sigma_low} on", self.sigma_high)
        if self.weights_q16 == ():
            object.__setattr__(self, "weights_q16", _weight_table(low, high, self.radius))
        if not _are_weights(self.weights_q16, self.radius):
            raise self.refusal(f"a table that is not {SIGMAS} times {self.radius + 1} weights that sum to 65536")

    @property
    def radius(self) -> int:
        """The distance in pixels of the farthest pixel that counts."""
        return math.ceil(3 * Fraction(self.sigma_high))

    @property
    def limits(self) -> dict[str, int]:
        return super().limits | {"sigma": SIGMAS}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return np.concatenate([chance(words_BW[:, :1], self.chance), integer_below(words_BW[:, 1:], SIGMAS)], axis=1)

    def output_size(self, height: int | None, width: int | None) -> tuple[int, int]:
        height, width = super().output_size(height, width)
        side = min(height, width)
        if self.radius >= side:
            most, rest = divmod(100 * (side - 1) // 3, 100)
            high = f"{most}.{rest:02}".rstrip("0").rstrip(".")
            lower = Fraction(high) >= Fraction(self.sigma_low)
            raise InvalidInput(
                f"blur with a SIGMA_HIGH of {self.sigma_high} looks at pixels {self.radius} away",
                expected=f"a distance below the image's {side} pixels",
                found=str(self.radius),
                do=f"write blur({self.sigma_low}, {high}, {self.probability}) or leave it out"
                if lower
                else "leave it out",
            )
        return height, width

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        return neighbours.blur(pixels_SIHW, np.array(self.weights_q16, np.int64)[parameters_SP[:, 1]])


@lru_cache(maxsize=8)
def _weight_table(low: Fraction, high: Fraction, radius: int) -> tuple[tuple[int, ...], ...]:
    sigmas = (low + (high - low) * (2 * part + 1) / (2 * SIGMAS) for part in range(SIGMAS))
    return tuple(gaussian_q16(sigma, radius) for sigma in sigmas)


def _are_weights(table: Any, radius: int) -> bool:
    if not is_table(table, (SIGMAS, radius + 1), 0, ONE_Q16):
        return False
    return all(weights[0] + 2 * sum(weights[1:]) == ONE_Q16 for weights in table)
