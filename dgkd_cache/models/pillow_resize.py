"""Pillow's resizing of uint8 pixels, bit for bit, as products of integers on any device.

Pillow resizes 8-bit images with weights of 22 fractional bits, each row and then each column (or the other way round),
and rounds to uint8 after each (`src/libImaging/Resample.c`, in the order of Pillow 13). The weights come from sums,
products and quotients of doubles alone, and the products are integers below 2^53, which float64 holds exactly, so every
machine and device gives the same pixels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["pillow_resize"]

_BITS = 22  # of the fraction of a weight
_MOST_ELEMENTS = 2**24  # of a float64 product held at a time: 128 MiB


def pillow_resize(images_BIHW: Tensor, height: int, width: int, interpolation: str) -> Tensor:
    """Returns uint8 [B, I, height, width]: what `Image.resize` gives; `interpolation` is bilinear or bicubic.

    Pixels are uint8 [B, I, H, W]; the result is on their device.
    """
    before_height, before_width = images_BIHW.shape[-2:]
    # Pillow up to 12 always began with the rows; since 13 it begins with columns that lose far more pixels.
    if before_height > height and before_height - height > 2 * (before_width - width):
        return _resize_rows(_resize_columns(images_BIHW, height, interpolation), width, interpolation)
    return _resize_columns(_resize_rows(images_BIHW, width, interpolation), height, interpolation)


def _resize_columns(images_BIHW: Tensor, height: int, interpolation: str) -> Tensor:
    """Returns the images with columns of `height` pixels."""
    return _resize_rows(images_BIHW.transpose(2, 3), height, interpolation).transpose(2, 3).contiguous()


def _resize_rows(images_BIHW: Tensor, width: int, interpolation: str) -> Tensor:
    """Returns the images with rows of `width` pixels."""
    before = images_BIHW.shape[-1]
    if before == width:
        return images_BIHW
    weights_WW = _weights(before, width, interpolation).to(images_BIHW.device)
    rows_RW = images_BIHW.reshape(-1, before)
    done = [
        ((part_RW.double() @ weights_WW + 2 ** (_BITS - 1)) / 2**_BITS).floor().clamp_(0, 255).to(torch.uint8)
        for part_RW in rows_RW.split(max(1, _MOST_ELEMENTS // max(before, width)))
    ]
    return torch.cat(done).reshape(*images_BIHW.shape[:-1], width)


@functools.lru_cache(maxsize=256)  # a folder of photographs has many sizes, a pair of tables is some MB
def _weights(before: int, after: int, interpolation: str) -> Tensor:
    """Returns float64 [before, after]: the integer weight of each old pixel in each new one."""
    support, kernel = _KERNELS[interpolation]
    weights = torch.zeros(before, after, dtype=torch.float64, device="cpu")
    scale = before / after
    stretch = max(scale, 1.0)
    reach = support * stretch
    for place in range(after):
        centre = (place + 0.5) * scale
        first = max(int(centre - reach + 0.5), 0)
        end = min(int(centre + reach + 0.5), before)
        values = [kernel((x - centre + 0.5) * (1.0 / stretch)) for x in range(first, end)]
        total = 0.0
        for value in values:
            total += value
        shares = [value / total for value in values]
        fixed = [int(math.copysign(0.5, share) + share * (1 << _BITS)) for share in shares]
        weights[first:end, place] = torch.tensor(fixed, dtype=torch.float64, device="cpu")
    return weights


def _triangle(x: float) -> float:
    x = abs(x)
    return 1.0 - x if x < 1.0 else 0.0


def _cubic(x: float) -> float:
    """Returns Keys' cubic with a = -0.5."""
    a, x = -0.5, abs(x)
    if x < 1.0:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2.0 else 0.0


_KERNELS: dict[str, tuple[float, Callable[[float], float]]] = {"bilinear": (1.0, _triangle), "bicubic": (2.0, _cubic)}
"""Pillow's kernels, each with the pixels to either side that it reaches."""
