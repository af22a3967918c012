"""Operations on colours: brightness, contrast, saturation, hue and grey.

Pixels are uint8 [B, I, H, W] on any device, of 1 or 3 channels. A factor of 65536 (q16) leaves them as they are. The
weights of grey are torchvision's (ITU-R 601-2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.fixed_point import ONE_Q16

__all__ = ["GREY_WEIGHTS", "HUE_CIRCLE", "blend", "brightness", "contrast", "factors_B111", "grey", "hue", "saturation"]

GREY_WEIGHTS = (2989, 5870, 1140)
"""Ten-thousandths of red, green and blue."""

HUE_CIRCLE = 6 * ONE_Q16
"""The whole circle of hues: a sixth, from one primary or secondary colour to the next, is 65536."""


def grey(pixels_BIHW: Tensor) -> Tensor:
    """Returns the grey level of each pixel, int32 [B, 1, H, W], rounded down."""
    if pixels_BIHW.shape[1] == 1:
        return pixels_BIHW.int()
    red, green, blue = pixels_BIHW.int().split(1, dim=1)
    total = GREY_WEIGHTS[0] * red + GREY_WEIGHTS[1] * green + GREY_WEIGHTS[2] * blue
    return torch.div(total, 10_000, rounding_mode="floor")


def blend(pixels_BIHW: Tensor, factor_B111: Tensor, other_q16: Tensor | int) -> Tensor:
    """Returns factor * pixel + other, rounded down, within 0 and 255; `other_q16` int32 has the weight 1 - factor."""
    return ((pixels_BIHW.int() * factor_B111 + other_q16) >> 16).clamp_(0, 255).to(torch.uint8)


def brightness(pixels_BIHW: Tensor, factor_B: IntArray) -> Tensor:
    """Multiplies all pixels by a factor: 0 gives black."""
    return blend(pixels_BIHW, factors_B111(factor_B, pixels_BIHW), 0)


def contrast(pixels_BIHW: Tensor, factor_B: IntArray) -> Tensor:
    """Blends all pixels with the mean grey level of the image: 0 gives a grey area."""
    _, _, height, width = pixels_BIHW.shape
    factor_B111 = factors_B111(factor_B, pixels_BIHW)
    total_B111 = grey(pixels_BIHW).sum((1, 2, 3), dtype=torch.int64, keepdim=True)
    other_B111 = torch.div((ONE_Q16 - factor_B111) * total_B111, height * width, rounding_mode="floor")
    return blend(pixels_BIHW, factor_B111, other_B111.int())


def saturation(pixels_BIHW: Tensor, factor_B: IntArray) -> Tensor:
    """Blends each pixel with its grey level: 0 gives a grey image."""
    if pixels_BIHW.shape[1] == 1:
        return pixels_BIHW
    factor_B111 = factors_B111(factor_B, pixels_BIHW)
    return blend(pixels_BIHW, factor_B111, (ONE_Q16 - factor_B111) * grey(pixels_BIHW))


def hue(pixels_BIHW: Tensor, shift_B: IntArray) -> Tensor:
    """Turns the hue of each pixel by a part of HUE_CIRCLE, from minus a half to a half; grey pixels stay."""
    if pixels_BIHW.shape[1] == 1:
        return pixels_BIHW
    red, green, blue = (pixels_BIHW[:, channel].int() for channel in range(3))
    greatest = torch.maximum(torch.maximum(red, green), blue)
    spread = greatest - torch.minimum(torch.minimum(red, green), blue)
    is_red, is_green = red == greatest, green == greatest
    between = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    sixth = torch.where(is_red, 0, torch.where(is_green, 2, 4))
    place = sixth * ONE_Q16 + torch.div(between * ONE_Q16, spread.clamp(min=1), rounding_mode="floor")
    place = place + factors_B111(shift_B, pixels_BIHW)[..., 0]
    turned = []
    for first in (5, 3, 1):  # red, green, blue: the hue at which each begins to fall
        distance = torch.remainder(place + first * ONE_Q16, HUE_CIRCLE)
        share = torch.minimum(distance, 4 * ONE_Q16 - distance).clamp_(0, ONE_Q16)
        turned.append(greatest - ((spread * share + ONE_Q16 // 2) >> 16))
    return torch.stack(turned, dim=1).to(torch.uint8)


def factors_B111(values_B: IntArray, pixels_BIHW: Tensor) -> Tensor:
    """Returns one value for each sample as int32 [B, 1, 1, 1] on the device of the pixels."""
    return send(values_B.astype("i4"), pixels_BIHW.device).reshape(-1, 1, 1, 1)
