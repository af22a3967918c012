"""Computes pixels from parameters: one batched gather for pad + crop + flip, and the box resize of resized-crop.

Pure functions on uint8 images. The gather is exact everywhere (class b); the resize is torchvision's own v2
kernel, exact only within one environment (class c).
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from dgkd_cache.device.device import send
from dgkd_cache.views.abc import IntArray

__all__ = ["evaluation_crop", "gather_anywhere", "gather_crop_flip", "resized_crop"]


def gather_crop_flip(
    images_NIHW: Tensor, samples_B: IntArray, *, dy_B: IntArray, dx_B: IntArray, flip_B: IntArray, padding: int
) -> Tensor:
    """Zero-pads each sample on all sides, crops it to its size at row dy, column dx, and mirrors it if flip is 1.

    `images_NIHW` is uint8 on any device; the result is uint8 [B, I, H, W] there. dy and dx are in [0, 2 * padding].
    """
    if images_NIHW.device.type == "cpu" and images_NIHW.is_contiguous() and len(samples_B):
        return _gather_on_cpu(images_NIHW, samples_B, dy_B, dx_B, flip_B, padding)
    return gather_anywhere(images_NIHW, samples_B, dy_B, dx_B, flip_B, padding)


def gather_anywhere(
    images_NIHW: Tensor, samples_B: IntArray, dy_B: IntArray, dx_B: IntArray, flip_B: IntArray, padding: int
) -> Tensor:
    """Does what `gather_crop_flip` does, on any device, by one index for each pixel."""
    device = images_NIHW.device
    channels, height, width = images_NIHW.shape[1:]
    numbers = send(np.stack([samples_B, dy_B, dx_B, flip_B]), device)
    samples, dy, dx, flip = (row.unsqueeze(1) for row in numbers)
    wide = width + 2 * padding
    columns = torch.arange(width, device=device).unsqueeze(0)
    columns_BW = torch.where(flip > 0, width - 1 - columns, columns) + dx
    rows_BH = torch.arange(height, device=device).unsqueeze(0) + dy
    pixels_BP = (rows_BH.unsqueeze(2) * wide + columns_BW.unsqueeze(1)).flatten(1)
    padded = torch.nn.functional.pad(images_NIHW[samples.squeeze(1)], (padding,) * 4).flatten(2)
    index = pixels_BP.unsqueeze(1).expand(-1, channels, -1)
    return padded.gather(2, index).reshape(-1, channels, height, width)


def resized_crop(image_IHW: Tensor, box: tuple[int, int, int, int], size: int) -> Tensor:
    """Resizes the box (top, left, height, width) of a uint8 image to [I, size, size]: bilinear with antialias."""
    top, left, height, width = box
    resized: Tensor = functional.resized_crop(
        image_IHW, top=top, left=left, height=height, width=width, size=[size, size], antialias=True
    )
    return resized


def evaluation_crop(pixels_IHW: Tensor, size: int) -> Tensor:
    """Resizes the short side to 8/7 of `size`, rounded (224: 256), and returns the central [I, size, size].

    `pixels_IHW` is one uint8 image or a batch [B, I, H, W] of one size, with the same pixels either way.
    """
    short = (16 * size + 7) // 14
    cropped: Tensor = functional.center_crop(functional.resize(pixels_IHW, [short], antialias=True), [size, size])
    return cropped


def _gather_on_cpu(
    images_NIHW: Tensor, samples_B: IntArray, dy_B: IntArray, dx_B: IntArray, flip_B: IntArray, padding: int
) -> Tensor:
    # Pixel (row, column) of a crop is the image's byte (row + dy - padding) * W + column + dx - padding, so a sample is
    # one copy of all its bytes with another start. Bytes from outside the image, of another row or another sample, are
    # then set to zero. torch's threads are not used: waking them costs more than the work.
    batch, (channels, height, width) = len(samples_B), images_NIHW.shape[1:]
    size = channels * height * width
    pixels = images_NIHW.numpy().reshape(-1)
    first_B = samples_B * size + (dy_B - padding) * width + dx_B - padding
    inside_B = first_B.clip(0, len(pixels) - size)
    samples = np.lib.stride_tricks.as_strided(
        pixels[:size].view(f"V{size}"), shape=(len(pixels) - size + 1,), strides=(1,)
    )
    out_BIP = samples[inside_B].view(np.uint8).reshape(batch, channels, height * width)
    if padding:
        rows, columns = _mask_inside(height, width, padding)
        kept_BP = rows.take(dy_B, axis=0)
        kept_BP &= columns.take(dx_B, axis=0)
        out_BIP &= kept_BP[:, None]
    for i in np.flatnonzero(inside_B != first_B):  # the parts of the first and the last image that are outside
        image_IHW = np.pad(images_NIHW[samples_B[i]].numpy(), ((0, 0), (padding, padding), (padding, padding)))
        out_BIP[i] = image_IHW[:, dy_B[i] :, dx_B[i] :][:, :height, :width].reshape(channels, -1)
    flipped = np.flatnonzero(flip_B)
    if len(flipped):
        word, order = _mirror_order(channels * height, width)
        words_BW = out_BIP.reshape(batch, size).view(f"u{word}")
        words_BW[flipped] = words_BW.take(flipped, axis=0).take(order, axis=1).byteswap()
    return torch.from_numpy(out_BIP.reshape(batch, channels, height, width))


@functools.lru_cache(maxsize=8)
def _mask_inside(height: int, width: int, padding: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Returns, for each dy and each dx, uint8 [2 * padding + 1, H * W]: 255 where the crop has a pixel of the image."""

    def along(side: int) -> npt.NDArray[np.uint8]:
        source = np.arange(2 * padding + 1)[:, None] - padding + np.arange(side)
        return np.where((source >= 0) & (source < side), 255, 0).astype(np.uint8)

    return along(height).repeat(width, axis=1), np.tile(along(width), (1, height))


@functools.lru_cache(maxsize=8)
def _mirror_order(rows: int, width: int) -> tuple[int, IntArray]:
    """Returns (bytes of a word, the order of words that mirrors an image's rows if each word's bytes are reversed)."""
    word = math.gcd(width, 8)
    order = np.arange(rows * width // word).reshape(rows, -1)[:, ::-1].reshape(-1)
    return word, order
