"""Rotation, shear and translation: each pixel of the result is the nearest one of the source, or zero outside it.

A map is three rows of integers q30 a sample: see `sample_nearest`. Directions are those of torchvision.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.views.abc import IntArray

__all__ = ["ONE_Q30", "identity", "rotated", "sample_nearest", "sheared", "translated"]

ONE_Q30 = 2**30


def identity(batch: int) -> IntArray:
    """Returns int64 [B, 2, 3]: the map of each sample that leaves it as it is."""
    return np.repeat(np.array([[[ONE_Q30, 0, 0], [0, ONE_Q30, 0]]], np.int64), batch, axis=0)


def rotated(cos_B: IntArray, sin_B: IntArray) -> IntArray:
    """Returns the map that turns images counter-clockwise about their centre; cosine and sine are q30."""
    zero_B = np.zeros_like(cos_B)
    return np.stack([np.stack([cos_B, -sin_B, zero_B], axis=1), np.stack([sin_B, cos_B, zero_B], axis=1)], axis=1)


def sheared(slope_B: IntArray, *, axis: int, offset_B: IntArray | None = None) -> IntArray:
    """Returns the map that shifts rows (axis 0) or columns (axis 1) by their distance times a slope q30.

    The distance is from the centre, plus `offset_B` in half pixels: the side, to begin at the upper or left border.
    """
    map_B23 = identity(len(slope_B))
    map_B23[:, axis, 1 - axis] = slope_B
    map_B23[:, axis, 2] = 0 if offset_B is None else slope_B * offset_B
    return map_B23


def translated(right_B: IntArray, down_B: IntArray) -> IntArray:
    """Returns the map that shifts images by whole pixels."""
    map_B23 = identity(len(right_B))
    map_B23[:, 0, 2], map_B23[:, 1, 2] = -2 * ONE_Q30 * right_B, -2 * ONE_Q30 * down_B
    return map_B23


def sample_nearest(pixels_BIHW: Tensor, map_B23: IntArray) -> Tensor:
    """Maps each place of the result to one of the source, and takes the pixel there; halves go right and down.

    Places are counted from the centre in half pixels: X = 2x + 1 - W, Y = 2y + 1 - H. A row (a, b, c) of the map gives
    a X + b Y + c, the place in the source in half pixels, q30.
    """
    batch, channels, height, width = pixels_BIHW.shape
    device = pixels_BIHW.device
    map_23B11 = send(map_B23, device).permute(1, 2, 0)[..., None, None]
    across_W = 2 * torch.arange(width, device=device) + 1 - width
    down_H1 = (2 * torch.arange(height, device=device) + 1 - height).unsqueeze(1)
    (a, b, c), (d, e, f) = map_23B11
    column_BHW = (a * across_W + (b * down_H1 + (c + width * ONE_Q30))) >> 31
    row_BHW = (d * across_W + (e * down_H1 + (f + height * ONE_Q30))) >> 31
    inside_BHW = (column_BHW >= 0) & (column_BHW < width) & (row_BHW >= 0) & (row_BHW < height)
    index_BHW = torch.where(inside_BHW, row_BHW * width + column_BHW, 0)
    index_BIP = index_BHW.reshape(batch, 1, -1).expand(-1, channels, -1)
    taken_BIP: Tensor = pixels_BIHW.flatten(2).gather(2, index_BIP) * inside_BHW.reshape(batch, 1, -1)
    return taken_BIP.reshape(pixels_BIHW.shape)
