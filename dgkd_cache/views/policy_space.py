"""The operations of augmentation policies and their magnitudes, as torchvision's AutoAugment, RandAugment and
TrivialAugmentWide have them, in integers.

Magnitude k of n is k / (n - 1) of the greatest, exactly; torchvision takes float32 numbers beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from torch import Tensor

from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.fixed_point import ONE_Q16, fixed, nearest
from dgkd_cache.views.integer_tables import cos_sin_q30
from dgkd_cache.views.operations import affine, colours, levels, neighbours
from dgkd_cache.views.sometimes import change_rows

__all__ = ["OPERATIONS", "Space"]

OPERATIONS = (
    "Identity",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Rotate",
    "Brightness",
    "Color",
    "Contrast",
    "Sharpness",
    "Posterize",
    "Solarize",
    "AutoContrast",
    "Equalize",
    "Invert",
)
"""All operations by torchvision's names. Policies that draw one of them draw from the first 14."""

_SHEAR_X, _SHEAR_Y, _TRANSLATE_X, _TRANSLATE_Y, _ROTATE = range(1, 6)
_BLENDS: dict[int, Callable[[Tensor, IntArray], Tensor]] = {
    6: colours.brightness,
    7: colours.saturation,
    8: colours.contrast,
    9: neighbours.sharpness,
}
_POSTERIZE, _SOLARIZE = 10, 11
_WITHOUT_MAGNITUDE: dict[int, Callable[[Tensor], Tensor]] = {
    12: levels.autocontrast,
    13: levels.equalize,
    14: levels.invert,
}


@dataclass(frozen=True, kw_only=True)
class Space:
    """The number of magnitudes of a policy, and the greatest one of each operation."""

    bins: int
    """The number of magnitudes."""
    shear: Fraction
    """A slope."""
    pixels: int | None
    """A translation in pixels; None for 150/331 of the side."""
    degrees: int
    """An angle of a rotation."""
    enhance: Fraction
    """The difference of a factor from 1: of brightness, color, contrast and sharpness."""
    posterize: int
    """The bits that are lost."""

    @cached_property
    def rotations_q30(self) -> tuple[tuple[int, int], ...]:
        """Cosine and sine of the angle of each magnitude."""
        return tuple(cos_sin_q30(share * self.degrees) for share in self._shares)

    @cached_property
    def slopes_q30(self) -> IntArray:
        """The slope of a shear, of each magnitude."""
        return np.array([fixed(share * self.shear, 30) for share in self._shares], np.int64)

    @cached_property
    def enhancements_q16(self) -> IntArray:
        """The amount that each magnitude adds to a factor of 1, or takes from it."""
        return np.array([fixed(share * self.enhance) for share in self._shares], np.int64)

    @cached_property
    def bits(self) -> IntArray:
        """The bits that posterize keeps, of each magnitude."""
        return np.array([8 - nearest(share * self.posterize) for share in self._shares], np.int64)

    @cached_property
    def thresholds(self) -> IntArray:
        """The least level that solarize inverts, of each magnitude."""
        return np.array([255 - int(share * 255) for share in self._shares], np.int64)

    def shifts(self, side: int) -> IntArray:
        """Returns the pixels of a translation along a side of so many, of each magnitude."""
        greatest = Fraction(150 * side, 331) if self.pixels is None else Fraction(self.pixels)
        return np.arange(self.bins) * greatest.numerator // (greatest.denominator * (self.bins - 1))

    def apply(
        self, pixels_BIHW: Tensor, kind_B: IntArray, bin_B: IntArray, sign_B: IntArray, rotation_K2: IntArray
    ) -> Tensor:
        """Applies to each sample its operation: place in OPERATIONS, magnitude, and sign (1 or -1).

        `rotation_K2` is `rotations_q30`, as it stands in the plan.
        """
        factor_B = ONE_Q16 + sign_B * self.enhancements_q16[bin_B]
        for kind, blend in _BLENDS.items():
            pixels_BIHW = change_rows(pixels_BIHW, np.flatnonzero(kind_B == kind), blend, factor_B)
        for kind, change in _WITHOUT_MAGNITUDE.items():
            pixels_BIHW = change_rows(pixels_BIHW, np.flatnonzero(kind_B == kind), change)
        rows_S = np.flatnonzero(kind_B == _POSTERIZE)
        pixels_BIHW = change_rows(pixels_BIHW, rows_S, levels.posterize, self.bits[bin_B])
        rows_S = np.flatnonzero(kind_B == _SOLARIZE)
        pixels_BIHW = change_rows(pixels_BIHW, rows_S, levels.solarize, self.thresholds[bin_B])
        rows_S = np.flatnonzero((kind_B >= _SHEAR_X) & (kind_B <= _ROTATE))
        map_B23 = self._maps(kind_B, bin_B, sign_B, rotation_K2, *pixels_BIHW.shape[2:])
        return change_rows(pixels_BIHW, rows_S, affine.sample_nearest, map_B23)

    def _maps(
        self, kind_B: IntArray, bin_B: IntArray, sign_B: IntArray, rotation_K2: IntArray, height: int, width: int
    ) -> IntArray:
        """Returns int64 [B, 2, 3]: the map of each sample's shear, translation or rotation, else the identity.

        Shears begin at the upper and the left border, as in torchvision's policies.
        """
        slope_B = sign_B * self.slopes_q30[bin_B]
        zero_B = np.zeros_like(bin_B)
        cos_B, sin_B = rotation_K2[bin_B].T
        several = {
            _SHEAR_X: affine.sheared(slope_B, axis=0, offset_B=np.full_like(bin_B, height)),
            _SHEAR_Y: affine.sheared(slope_B, axis=1, offset_B=np.full_like(bin_B, width)),
            _TRANSLATE_X: affine.translated(sign_B * self.shifts(width)[bin_B], zero_B),
            _TRANSLATE_Y: affine.translated(zero_B, sign_B * self.shifts(height)[bin_B]),
            _ROTATE: affine.rotated(cos_B, sign_B * sin_B),
        }
        map_B23 = affine.identity(len(kind_B))
        for kind, maps in several.items():
            map_B23[kind_B == kind] = maps[kind_B == kind]
        return map_B23

    @property
    def _shares(self) -> list[Fraction]:
        return [Fraction(place, self.bins - 1) for place in range(self.bins)]
