"""Operations that mix two batches of images: an average by shares, and a box of one in the other.

Pixels are uint8 [B, I, H, W] on one device; results are exact. On the CPU numpy computes them: to wake torch's threads
for each step takes longer than the steps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.views.abc import IntArray

__all__ = ["average", "average_anywhere", "put_box", "put_box_anywhere"]


def average(own_BIHW: Tensor, partner_BIHW: Tensor, share_q16_B: IntArray) -> Tensor:
    """Returns (own L + partner (65536 - L) + 32768) >> 16 for the shares L of the own images, in [0, 65536]."""
    if own_BIHW.device.type != "cpu":
        return average_anywhere(own_BIHW, partner_BIHW, share_q16_B)
    partner = partner_BIHW.numpy()
    sums = np.subtract(own_BIHW.numpy(), partner, dtype=np.int32)
    sums *= share_q16_B.astype(np.int32)[:, None, None, None]
    sums += 2**15
    sums >>= 16
    return torch.from_numpy(sums.astype(np.uint8) + partner)


def average_anywhere(own_BIHW: Tensor, partner_BIHW: Tensor, share_q16_B: IntArray) -> Tensor:
    """Does what `average` does, on any device."""
    share_B111 = send(share_q16_B.astype(np.int32), own_BIHW.device)[:, None, None, None]
    sums = (own_BIHW.int() - partner_BIHW).mul_(share_B111).add_(2**15) >> 16
    return sums.to(torch.uint8).add_(partner_BIHW)


def put_box(own_BIHW: Tensor, partner_BIHW: Tensor, box_4B: IntArray) -> Tensor:
    """Returns the own images with a box of the partner's; `box_4B`: top, bottom, left, right, the ends outside."""
    if own_BIHW.device.type != "cpu":
        return put_box_anywhere(own_BIHW, partner_BIHW, box_4B)
    own = own_BIHW.numpy()
    rows_BH, columns_BW = (
        ((first_B[:, None] <= np.arange(side)) & (np.arange(side) < last_B[:, None])).astype(np.uint8) * 255
        for first_B, last_B, side in zip(box_4B[::2], box_4B[1::2], own.shape[2:], strict=True)
    )
    mixed = own ^ partner_BIHW.numpy()
    mixed &= (rows_BH[:, :, None] & columns_BW[:, None])[:, None]
    mixed ^= own
    return torch.from_numpy(mixed)


def put_box_anywhere(own_BIHW: Tensor, partner_BIHW: Tensor, box_4B: IntArray) -> Tensor:
    """Does what `put_box` does, on any device."""
    device = own_BIHW.device
    top, bottom, left, right = send(box_4B, device)[..., None]
    down_H, across_W = (torch.arange(side, device=device) for side in own_BIHW.shape[2:])
    rows_BH, columns_BW = (down_H >= top) & (down_H < bottom), (across_W >= left) & (across_W < right)
    return torch.where((rows_BH[:, :, None] & columns_BW[:, None])[:, None], partner_BIHW, own_BIHW)
