"""Mixup and cutmix: the image of a sample with that of another one, its partner, as torchvision's MixUp and CutMix.

Sources: Zhang et al., ICLR 2018; Yun et al., ICCV 2019. Partner and ratio are those of the (view, sample), not of a
batch; the ratios stand in the plan, and pixels are exact on every machine (class b).
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import MIXING, IntArray, Transform, WordArray
from dgkd_cache.views.arguments import Decimal
from dgkd_cache.views.fixed_point import ONE_Q16
from dgkd_cache.views.integer_tables import beta_middles_q16, is_table
from dgkd_cache.views.operations.mixtures import average, put_box
from dgkd_cache.views.registry import register_transform

__all__ = ["RATIOS", "Cutmix", "Mixing", "Mixup"]

RATIOS = 1024  # entries of the table

_MOST = 2**31 - 1  # samples


@dataclass(frozen=True)
class Mixing(Transform):
    """A transform that mixes each sample with a partner, seen in the same view with the plan's other transforms.

    `held_out` is the number of samples held out of training, which are mixed among themselves (see `Partners`).
    `ratio_q16` are the shares of the sample itself, of which each is equally probable.
    """

    stage: ClassVar[int] = MIXING
    arguments = (Decimal("ALPHA", "a parameter of the Beta distribution", "0.01", "100"),)

    alpha: str = "1"
    held_out: int = 0
    ratio_q16: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio_q16 == ():
            object.__setattr__(self, "ratio_q16", beta_middles_q16(Fraction(self.alpha), RATIOS))
        if not is_table(self.held_out, (), 0, _MOST):
            raise self.refusal(f"{self.held_out!r:.40} samples held out")
        if not _are_ratios(self.ratio_q16):
            raise self.refusal(f"ratios that are not {RATIOS} integers from 0 to 2^16 that do not fall")

    @property
    def limits(self) -> dict[str, int]:
        return {"partner": 2**32, "ratio": RATIOS}

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        return np.concatenate([integer_below(words_BW[:, :1], 2**32), integer_below(words_BW[:, 1:2], RATIOS)], axis=1)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        """Returns the mixed pixels of B samples; `pixels_BIHW` are those of the samples and then of their partners."""
        own_BIHW, partner_BIHW = pixels_BIHW.split(len(parameters_BP))
        return self.mix(own_BIHW, partner_BIHW, parameters_BP)

    @abstractmethod
    def mix(self, own_BIHW: Tensor, partner_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        """Returns the uint8 pixels of samples mixed with those of their partners."""

    @abstractmethod
    def share(self, parameters_BP: IntArray, height: int, width: int) -> npt.NDArray[np.float64]:
        """Returns float64 (B,): the share of each sample itself in its mixed image, in [0, 1]."""

    def holding_out(self, samples: int) -> Self:
        """Returns this transform for a data set of which so many samples are held out of training."""
        return replace(self, held_out=samples)

    def drawn_q16(self, parameters_BP: IntArray) -> IntArray:
        """Returns the ratio that was drawn for each sample."""
        return self._ratio_K[parameters_BP[:, 1]]

    @cached_property
    def _ratio_K(self) -> IntArray:
        return np.array(self.ratio_q16, np.int64)


@register_transform
@dataclass(frozen=True)
class Mixup(Mixing):
    """Averages the image with another sample's, by a ratio from Beta(ALPHA (1), ALPHA), as torchvision's MixUp

    Parameters: partner, the place among the others of its part in units of 2^-32 of their number; ratio, a place in the
    table.
    """

    name = "mixup"
    example = "mixup(0.2)"
    words = 2

    def mix(self, own_BIHW: Tensor, partner_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        return average(own_BIHW, partner_BIHW, self.drawn_q16(parameters_BP))

    def share(self, parameters_BP: IntArray, height: int, width: int) -> npt.NDArray[np.float64]:
        return self.drawn_q16(parameters_BP) / ONE_Q16


@register_transform
@dataclass(frozen=True)
class Cutmix(Mixing):
    """Puts a box of another sample's image into it, the area from Beta(ALPHA (1), ALPHA), as torchvision's CutMix

    Parameters: partner and ratio as of mixup; row and column, the centre of the box in units of 2^-32 of the sides.
    """

    name = "cutmix"
    example = "cutmix(1)"
    words = 3

    @property
    def limits(self) -> dict[str, int]:
        return super().limits | {"row": 2**32, "column": 2**32}

    def parameters(self, words_BW: WordArray) -> IntArray:
        place = [integer_below(words_BW[:, 2:], 2**32), integer_below(words_BW[:, 2:] << np.uint64(32), 2**32)]
        return np.concatenate([super().parameters(words_BW), *place], axis=1)

    def boxes(self, parameters_BP: IntArray, height: int, width: int) -> IntArray:
        """Returns (top, bottom, left, right) of each sample's box, int64 (4, B); rows and columns, the ends outside.

        Its sides are sqrt(1 - ratio) of the image's; what lies outside the image is cut off.
        """
        cut_B, sides = ONE_Q16 - self.drawn_q16(parameters_BP), []
        for side, drawn_B in ((height, parameters_BP[:, 2]), (width, parameters_BP[:, 3])):
            # IEEE 754 rounds a square root correctly, so that of an integer below 2^52 has the right integer part.
            half_B = np.sqrt(side**2 * cut_B >> 18).astype(np.int64)
            centre_B = drawn_B * side >> 32
            sides += [np.maximum(centre_B - half_B, 0), np.minimum(centre_B + half_B, side)]
        return np.stack(sides)

    def mix(self, own_BIHW: Tensor, partner_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        return put_box(own_BIHW, partner_BIHW, self.boxes(parameters_BP, *own_BIHW.shape[2:]))

    def share(self, parameters_BP: IntArray, height: int, width: int) -> npt.NDArray[np.float64]:
        top_B, bottom_B, left_B, right_B = self.boxes(parameters_BP, height, width)
        own_B = height * width - (bottom_B - top_B) * (right_B - left_B)
        share_B: npt.NDArray[np.float64] = own_B / (height * width)
        return share_B


def _are_ratios(ratios: Any) -> bool:
    return is_table(ratios, (RATIOS,), 0, ONE_Q16) and all(low <= high for low, high in itertools.pairwise(ratios))
