"""Colours: color-jitter and grayscale, as torchvision's ColorJitter and RandomGrayscale.

All is integer arithmetic on uint8 (class b); factors are drawn in 65536 equal steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, Transform, WordArray
from dgkd_cache.views.arguments import Decimal, probability
from dgkd_cache.views.fixed_point import ONE_Q16, STEPS, draw_steps, fixed, step_value
from dgkd_cache.views.operations import colours
from dgkd_cache.views.registry import register_transform
from dgkd_cache.views.sometimes import Sometimes, change_rows

__all__ = ["ColorJitter", "Grayscale"]

_ORDERS = np.array(list(itertools.permutations(range(4))))
_OPERATIONS: tuple[Callable[[Tensor, IntArray], Tensor], ...] = (
    colours.brightness,
    colours.contrast,
    colours.saturation,
    colours.hue,
)


@register_transform
@dataclass(frozen=True)
class ColorJitter(Transform):
    """Changes brightness, contrast and saturation by factors from 1 - X to 1 + X, and turns the hue by up to HUE (0)

    The four are applied in random order; CONTRAST and SATURATION are 0 where they are left out. HUE is a part of the
    circle, up to 0.5. Parameters: order, the place of the order among all in lexicographic order; then the step of each
    factor, out of 65536.
    """

    name = "color-jitter"
    arguments = (
        Decimal("BRIGHTNESS", "a brightness", "0", "10"),
        Decimal("CONTRAST", "a contrast", "0", "10"),
        Decimal("SATURATION", "a saturation", "0", "10"),
        Decimal("HUE", "a hue", "0", "0.5"),
    )
    example = "color-jitter(0.4, 0.4, 0.4, 0.1)"
    stage = 3
    words = 5
    channel_counts = (1, 3)

    brightness: str
    contrast: str = "0"
    saturation: str = "0"
    hue: str = "0"

    @property
    def limits(self) -> dict[str, int]:
        names = ("brightness", "contrast", "saturation", "hue")
        return {"order": len(_ORDERS)} | dict.fromkeys(names, STEPS)

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        return np.concatenate([integer_below(words_BW[:, :1], len(_ORDERS)), draw_steps(words_BW[:, 1:])], axis=1)

    def values(self, parameters_BP: IntArray) -> IntArray:
        """Returns int64 [B, 4]: the factors q16 of brightness, contrast and saturation, and the shift of the hue."""
        columns = []
        for place, decimal in enumerate((self.brightness, self.contrast, self.saturation)):
            wide = fixed(decimal)
            columns.append(step_value(parameters_BP[:, 1 + place], max(0, ONE_Q16 - wide), ONE_Q16 + wide))
        most = 6 * fixed(self.hue)
        return np.stack([*columns, step_value(parameters_BP[:, 4], -most, most)], axis=1)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        values_B4, order_B4 = self.values(parameters_BP), _ORDERS[parameters_BP[:, 0]]
        in_use = [decimal != "0" for decimal in (self.brightness, self.contrast, self.saturation, self.hue)]
        for place, kind in itertools.product(range(4), np.flatnonzero(in_use).tolist()):
            rows_S = np.flatnonzero(order_B4[:, place] == kind)
            pixels_BIHW = change_rows(pixels_BIHW, rows_S, _OPERATIONS[kind], values_B4[:, kind])
        return pixels_BIHW


@register_transform
@dataclass(frozen=True)
class Grayscale(Sometimes):
    """Gives all channels the grey level, with probability P (0.1)"""

    name = "grayscale"
    arguments = (probability(),)
    example = "grayscale(0.2)"
    stage = 3
    channel_counts = (1, 3)

    probability: str = "0.1"

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        return colours.grey(pixels_SIHW).to(torch.uint8).expand_as(pixels_SIHW)
