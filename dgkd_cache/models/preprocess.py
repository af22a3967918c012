"""Preprocessing of a view's uint8 pixels for one network: resizing and normalising, stored in the model's card.

It belongs to the model and not to the view, so that guides of different input size share one view.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn
from torch.nn import functional

from dgkd_cache.errors import InvalidInput
from dgkd_stores.arguments import describe_value

__all__ = ["Preprocess", "Preprocessing", "describe_resizing"]


class Preprocess(BaseModel):
    """Resizing and normalising constants; numbers are decimal strings, which all readers parse alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[str, ...]  # per channel, of pixels scaled to 0..1
    std: tuple[str, ...]  # per channel, likewise
    input_size: int | None = Field(default=None, ge=1, le=2**16)  # side in pixels to resize to; None: not resized

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError(f"expected one mean and one std a channel, found {len(self.mean)} and {len(self.std)}")
        if any(not _number(text).is_finite() for text in self.mean):
            raise ValueError(f"expected finite means, found {', '.join(self.mean)}")
        if any(not _number(text).is_finite() or _number(text) <= 0 for text in self.std):
            raise ValueError(f"expected positive standard deviations, found {', '.join(self.std)}")
        return self

    @classmethod
    def build(cls, *, mean: Sequence[str], std: Sequence[str], input_size: int | None = None) -> Preprocess:
        """Returns a checked `Preprocess`; raises InvalidInput (exit 2) for invalid values."""
        try:
            return cls(mean=tuple(mean), std=tuple(std), input_size=input_size)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}".lstrip(": ") for item in error.errors()]
            raise InvalidInput(
                "a preprocessing that cannot be used",
                expected="mean and std as decimal strings, one a channel, and a side in pixels or None",
                found="; ".join(problems),
            ) from error

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns height and width, in pixels, of the network's input for a view of `height` x `width`."""
        return (height, width) if self.input_size is None else (self.input_size, self.input_size)

    def module(self, *, channels_last: bool = False) -> Preprocessing:
        """Returns the computation as a module, which can be moved to a device."""
        return Preprocessing(self, channels_last=channels_last)


class Preprocessing(nn.Module):
    """Maps uint8 [B,I,H,W] to float32 [B,I,H',W']: (x / 255 - mean) / std, resized first if a size is set.

    Resizing is bilinear with antialiasing, on float32 pixels, to `input_size` x `input_size` (a view that is
    not square loses its aspect ratio). Raises InvalidInput for another dtype or number of channels.
    """

    scale_I11: Tensor
    shift_I11: Tensor

    def __init__(self, preprocess: Preprocess, *, channels_last: bool = False) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        means = [_number(text) for text in preprocess.mean]
        stds = [_number(text) for text in preprocess.std]
        # x * scale + shift in one pass; the two constants are computed in decimal arithmetic and rounded once.
        scale = [float(1 / (255 * std)) for std in stds]
        shift = [float(-mean / std) for mean, std in zip(means, stds, strict=True)]
        for name, values in (("scale_I11", scale), ("shift_I11", shift)):
            tensor = torch.tensor(values, dtype=torch.float32, device="cpu").reshape(-1, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, images_BIHW: Tensor) -> Tensor:
        channels = len(self.preprocess.mean)
        if images_BIHW.dtype != torch.uint8 or images_BIHW.ndim != 4 or images_BIHW.shape[1] != channels:
            raise InvalidInput(
                "pixels that this preprocessing does not take",
                expected=f"uint8 [B, {channels}, H, W]",
                found=describe_value(images_BIHW),
            )
        pixels = images_BIHW.to(dtype=torch.float32, memory_format=self.memory_format)
        height, width = images_BIHW.shape[-2:]
        size = self.preprocess.network_size(height, width)
        if size != (height, width):
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)
        return torch.addcmul(self.shift_I11, pixels, self.scale_I11)


def describe_resizing(height: int, width: int, input_size: int | None) -> str:
    """Describes the resizing of a view, as "input 32 -> 224"; "" if it is not resized."""
    if input_size is None or (height, width) == (input_size, input_size):
        return ""
    return f"input {height if height == width else f'{height}x{width}'} -> {input_size}"


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"expected a decimal number, found {text!r}") from None
