"""Preprocessing of a view's uint8 pixels for one network, by the constants of its card, as a module on any device."""

from __future__ import annotations

from decimal import Decimal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_stores.arguments import describe_value

__all__ = ["Preprocessing"]


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
        means = [Decimal(text) for text in preprocess.mean]
        stds = [Decimal(text) for text in preprocess.std]
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
