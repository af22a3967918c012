"""Operations that map each level of a channel to another: posterize, solarize, invert, autocontrast, equalize.

Pixels are uint8 [B, I, H, W] on any device. The table of equalize is that of Pillow's ImageOps, which torchvision has
too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.views.abc import IntArray

__all__ = ["autocontrast", "equalize", "invert", "posterize", "solarize"]


def posterize(pixels_BIHW: Tensor, bits_B: IntArray) -> Tensor:
    """Keeps the highest bits (0 to 8) of each pixel."""
    return pixels_BIHW & _column(256 - (1 << (8 - bits_B)), pixels_BIHW)


def solarize(pixels_BIHW: Tensor, threshold_B: IntArray) -> Tensor:
    """Inverts the pixels that are at least the threshold (0 to 255)."""
    return torch.where(pixels_BIHW >= _column(threshold_B, pixels_BIHW), invert(pixels_BIHW), pixels_BIHW)


def invert(pixels_BIHW: Tensor) -> Tensor:
    """Replaces each pixel x by 255 - x."""
    return 255 - pixels_BIHW


def autocontrast(pixels_BIHW: Tensor) -> Tensor:
    """Stretches each channel to all levels: from its least to 0, from its greatest to 255, rounded down."""
    flat_BIP = pixels_BIHW.flatten(2)
    low_BI1 = flat_BIP.amin(2, keepdim=True).int()
    range_BI1 = flat_BIP.amax(2, keepdim=True).int() - low_BI1
    levels_L = torch.arange(256, dtype=torch.int32, device=pixels_BIHW.device)
    stretched_BIL = torch.div((levels_L - low_BI1) * 255, range_BI1.clamp(min=1), rounding_mode="floor").clamp(0, 255)
    return _mapped(pixels_BIHW, torch.where(range_BI1 > 0, stretched_BIL, levels_L))


def equalize(pixels_BIHW: Tensor) -> Tensor:
    """Spreads the levels of each channel so that they are equally frequent."""
    batch, channels, height, width = pixels_BIHW.shape
    flat_BIP = pixels_BIHW.flatten(2).long()
    rows_BI1 = torch.arange(batch * channels, device=pixels_BIHW.device).reshape(batch, channels, 1)
    counts = torch.bincount((flat_BIP + 256 * rows_BI1).flatten(), minlength=256 * batch * channels)
    histogram_BIL = counts.reshape(batch, channels, 256)
    greatest_BI1 = flat_BIP.amax(2, keepdim=True)
    step_BI1 = (height * width - histogram_BIL.gather(2, greatest_BI1)) // 255
    below_BIL = histogram_BIL.cumsum(2) - histogram_BIL
    spread_BIL = torch.div(below_BIL + step_BI1 // 2, step_BI1.clamp(min=1), rounding_mode="floor").clamp(0, 255)
    levels_L = torch.arange(256, device=pixels_BIHW.device)
    return _mapped(pixels_BIHW, torch.where(step_BI1 > 0, spread_BIL, levels_L))


def _mapped(pixels_BIHW: Tensor, table_BIL: Tensor) -> Tensor:
    """Replaces each pixel by its entry in the table of its channel."""
    return table_BIL.to(torch.uint8).gather(2, pixels_BIHW.flatten(2).long()).reshape(pixels_BIHW.shape)


def _column(values_B: IntArray, pixels_BIHW: Tensor) -> Tensor:
    return send(values_B.astype("u1"), pixels_BIHW.device).reshape(-1, 1, 1, 1)
