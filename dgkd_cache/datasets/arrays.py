"""Checks pixels given as an array; an error shows the line of code that converts them.

Nothing is converted automatically: the same numbers may be pixels of 8 bits, of 16 bits or in [0, 1], with channels
first or last. A hint states what it assumes.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.channel_order import channels_are_last
from dgkd_cache.errors import InvalidInput
from dgkd_stores.arguments import describe_value

__all__ = ["check_pixels", "expression_of"]


def check_pixels(what: str, images: object, *, samples: int) -> Tensor:
    """Returns the uint8 pixels [N, I, H, W] in `images`, an array, tensor or list, for `samples` labels.

    Raises InvalidInput for anything else.
    """
    try:
        pixels = images if isinstance(images, Tensor) else _as_tensor(images)
        if pixels.is_nested:
            raise TypeError("a nested tensor")
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(
            f"the images of {what} are no array",
            expected="a uint8 array [samples, channels, height, width]",
            found=f"{type(images).__name__} ({error})",
            do="stack images of one size with numpy.stack; `folder:PATH` takes images of several sizes",
        ) from error
    if pixels.layout != torch.strided or pixels.is_quantized or pixels.device.type == "meta":
        raise InvalidInput(
            f"the images of {what} cannot be used",
            expected="a dense uint8 array [samples, channels, height, width]",
            found=f"{describe_value(pixels)}, {'quantised' if pixels.is_quantized else pixels.layout} "
            f"on {pixels.device}",
            do="give a dense tensor with values in memory: images.to_dense() makes it of a sparse one, and "
            "images.dequantize() of a quantised one",
        )
    order = _other_order(list(pixels.shape), samples)
    if pixels.dtype == torch.uint8 and pixels.ndim == 4 and 0 not in pixels.shape and not order:
        return pixels
    raise InvalidInput(
        f"the images of {what} cannot be used",
        expected="a non-empty uint8 array [samples, channels, height, width]",
        found=describe_value(pixels) + order,
        do=_hint(images, pixels, samples),
    )


def _other_order(shape: list[int], samples: int) -> str:
    """Returns the order of four axes for a message if it is not [samples, channels, height, width], else ""."""
    if len(shape) != 4:
        return ""
    if _samples_last(shape, samples):
        return ", with the samples last"
    return ", with the channels last" if channels_are_last(shape[1:]) else ""


def _samples_last(shape: list[int], samples: int) -> str:
    """Returns the order that puts the samples first, for [H, W, I, N], as in MATLAB's files, or [I, H, W, N].

    Empty for any other. With as many samples as rows only square images are recognised.
    """
    if shape[3] != samples:
        return ""
    if shape[2] <= 4 < min(shape[:2]) and (shape[0] == shape[1] or shape[0] != samples):
        return "3, 2, 0, 1"
    return "3, 0, 1, 2" if shape[0] <= 4 < min(shape[1:3]) and shape[0] != samples else ""


def expression_of(name: str, given: object) -> str:
    """Returns the expression for the caller's `name` as a numpy array or a tensor."""
    return name if isinstance(given, Tensor | np.ndarray) else f"numpy.asarray({name})"


def _as_tensor(images: Any) -> Tensor:
    array = np.ascontiguousarray(images)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def _hint(images: object, pixels: Tensor, samples: int) -> str:
    if 0 in pixels.shape:
        return "give at least one image"
    numpy = not isinstance(images, Tensor)
    layout = _layout(list(pixels.shape), samples, "transpose" if numpy else "permute")
    if layout is None:
        return "make one array of them with these four axes"
    assumed, form = _values(pixels, numpy)
    if form is None:
        return assumed
    line = f"{assumed}`images = {form.format(expression_of('images', images) + layout)}`"
    if pixels.ndim == 4 and layout and not _samples_last(list(pixels.shape), samples):
        line += "; where axis 1 has the channels all the same, swap height and width"
    return line


def _layout(shape: list[int], samples: int, reorder: str) -> str | None:
    """Returns the code that gives the array four axes, channels second; None if that is not clear."""
    if len(shape) == 4 and (order := _samples_last(shape, samples)):
        return f".{reorder}({order})"
    if len(shape) == 4:
        return f".{reorder}(0, 3, 1, 2)" if channels_are_last(shape[1:]) else ""
    if len(shape) == 3 and shape[0] == samples:
        return "[:, None]"
    if len(shape) == 3 and samples == 1:
        return f".{reorder}(2, 0, 1)[None]" if channels_are_last(shape) else "[None]"
    if len(shape) == 3 and shape[2] == samples and min(shape[:2]) > 4:
        return f".{reorder}(2, 0, 1)[:, None]"
    if len(shape) == 2 and shape[0] == samples and (side := isqrt(shape[1])) ** 2 == shape[1]:
        return f".reshape(-1, 1, {side}, {side})"
    return None


def _values(pixels: Tensor, numpy: bool) -> tuple[str, str | None]:
    """Returns (what is assumed of the values, the expression that makes them uint8), or (a hint, None)."""
    to = ".astype('{}')" if numpy else ".to(torch.{})"
    as_uint8, as_int64 = to.format("uint8"), to.format("int64")
    if pixels.dtype == torch.uint8:
        return "", "{}"
    if pixels.dtype == torch.bool:
        return "True is white: ", f"{{}}{as_uint8} * 255"
    if pixels.is_complex():
        return "give the pixels as real numbers", None
    values: NDArray[Any] = (
        (pixels.double() if pixels.is_floating_point() else pixels).detach().cpu().resolve_neg().numpy()
    )
    least, most = values.min(), values.max()
    if not (least >= 0 and np.isfinite(most)):
        return "give the pixels as they were before they were normalised, 0 for black and 255 for white", None
    # A range with an empty upper half is another range: 4 or 12 bits, or [0, 1] after bicubic resizing.
    if pixels.is_floating_point() and most <= 1:
        return "1 is white: ", f"({{}} * 255).round(){as_uint8}"
    if 127 < most <= 255:
        return "255 is white: ", "{}" + (".round()" if pixels.is_floating_point() else "") + as_uint8
    if 32767 < most <= 65535 and not pixels.is_floating_point():
        # round(v * 255 / 65535) = round(v / 257), and 257 is odd: no value lies half-way
        return "65535 is white (16 bits): ", f"(({{}}{as_int64} + 128) // 257){as_uint8}"
    return "scale them to 0 for black and 255 for white, by the range that they are defined in", None
