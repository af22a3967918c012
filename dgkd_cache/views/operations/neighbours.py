"""Operations that look at the neighbours of a pixel: sharpness and Gaussian blur.

Pixels are uint8 [B, I, H, W] on any device. Weights and factors are q16.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.fixed_point import ONE_Q16
from dgkd_cache.views.operations.colours import blend, factors_B111

__all__ = ["blur", "sharpness"]


def sharpness(pixels_BIHW: Tensor, factor_B: IntArray) -> Tensor:
    """Blends each pixel with the mean of its 3 x 3 pixels, in which it has the weight 5: a factor 0 smooths.

    Pixels of the border stay, and so do images of fewer than three rows or columns.
    """
    height, width = pixels_BIHW.shape[2:]
    if height <= 2 or width <= 2:
        return pixels_BIHW
    levels = pixels_BIHW.int()
    rows = levels[:, :, :-2] + levels[:, :, 1:-1] + levels[:, :, 2:]
    inner = levels[:, :, 1:-1, 1:-1]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * inner
    smooth = torch.div(2 * total + 13, 26, rounding_mode="floor")  # total / 13, which is never halfway
    factor_B111 = factors_B111(factor_B, pixels_BIHW)
    sharpened = pixels_BIHW.clone()
    sharpened[:, :, 1:-1, 1:-1] = blend(inner, factor_B111, (ONE_Q16 - factor_B111) * smooth)
    return sharpened


def blur(pixels_BIHW: Tensor, weights_BR: IntArray) -> Tensor:
    """Convolves rows, then columns, with symmetric weights: those of the distances 0, 1, ..., which sum to 65536.

    What is outside is the image mirrored at its border pixels, so a side has more pixels than `weights_BR` has columns
    less one. Between the two, pixels are kept in units of 1/128.
    """
    weights = [factors_B111(column, pixels_BIHW) for column in weights_BR.T]
    levels = _convolved(pixels_BIHW.int(), weights, dim=3)
    halfway = (levels + (1 << 8)) >> 9
    return ((_convolved(halfway, weights, dim=2) + (1 << 22)) >> 23).to(torch.uint8)


def _convolved(levels_BIHW: Tensor, weights: list[Tensor], *, dim: int) -> Tensor:
    """Sums along `dim`; 255 * 128 * 65536 is below 2^31, so no sum of pixels in units of 1/128 overflows."""
    side, radius = levels_BIHW.shape[dim], len(weights) - 1
    places = torch.arange(-radius, side + radius).abs()
    mirrored = send(torch.minimum(places, 2 * (side - 1) - places).numpy(), levels_BIHW.device)
    wide = levels_BIHW.index_select(dim, mirrored)
    total = wide.narrow(dim, radius, side) * weights[0]
    for distance, weight in enumerate(weights[1:], start=1):
        before, after = wide.narrow(dim, radius - distance, side), wide.narrow(dim, radius + distance, side)
        total += (before + after) * weight
    return total
