"""Preprocessing of a view's uint8 pixels for one network, by the constants of its card, as a module on any device."""

from __future__ import annotations

from decimal import Decimal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import InterpolationMode, functional as published

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.pillow_resize import pillow_resize
from dgkd_cache.run_files.preprocess import Preprocess, Resizing
from dgkd_stores.arguments import describe_value

__all__ = ["Preprocessing", "cut_test_images"]


class Preprocessing(nn.Module):
    """Maps uint8 [B,I,H,W] to float32 [B,I,H',W']: (x / 255 - mean) / std, resized first if a size is set.

    Resizing is bilinear with antialiasing, on float32 pixels, to `input_size` x `input_size` (a view that is
    not square loses its aspect ratio). That of an adopted model is by its published interpolation and arithmetic, and
    rounds to uint8 as these do. Raises InvalidInput for another dtype or number of channels.
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
        height, width = images_BIHW.shape[-2:]
        size = self.preprocess.network_size(height, width)
        resizing = self.preprocess.resizing
        if resizing is not None and size != (height, width):
            images_BIHW = _resize(images_BIHW, *size, resizing)
        pixels = images_BIHW.to(dtype=torch.float32, memory_format=self.memory_format)
        if resizing is None and size != (height, width):
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)
        return torch.addcmul(self.shift_I11, pixels, self.scale_I11)


def cut_test_images(images_BIHW: Tensor, preprocess: Preprocess) -> Tensor:
    """Returns uint8 [B, I, S, S]: whole images, uint8 [B, I, H, W], as published transforms resize and crop them.

    S is `preprocess.input_size`. The short side is resized to `resizing.short_side` (both sides, with `squash`), and
    the centre is cut out; what a smaller image lacks is zero. What follows, normalising, `Preprocessing` does.
    """
    resizing, side = preprocess.resizing, preprocess.input_size
    assert resizing is not None and side is not None, "a model that was trained here has test images as its views"
    height, width = images_BIHW.shape[-2:]
    wanted, short = resizing.short_side, min(height, width)
    size = (wanted, wanted)
    if not resizing.squash:
        # As torchvision's Resize, which timm's transforms use too.
        size = (wanted, int(wanted * width / short)) if height <= width else (int(wanted * height / short), wanted)
    if size != (height, width):
        images_BIHW = _resize(images_BIHW, *size, resizing)
    cut_BISS: Tensor = published.center_crop(images_BIHW, [side, side])
    return cut_BISS


def _resize(images_BIHW: Tensor, height: int, width: int, resizing: Resizing) -> Tensor:
    """Returns uint8 pixels of another size, in the arithmetic of the published transforms."""
    if resizing.arithmetic == "pillow":
        return pillow_resize(images_BIHW, height, width, resizing.interpolation)
    mode = InterpolationMode(resizing.interpolation)
    resized: Tensor = published.resize(images_BIHW, [height, width], interpolation=mode, antialias=True)
    return resized
