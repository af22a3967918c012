"""Posterize, solarize, invert and equalize are torchvision's to the bit; autocontrast is, but for its rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from support.pictures import PICTURES, same_but_rounding
from torch import Tensor
from torchvision.transforms.v2 import functional

from dgkd_cache.views.operations import levels

pytestmark = pytest.mark.parametrize("pixels", PICTURES.values(), ids=PICTURES)


def test_posterize(pixels: Tensor) -> None:
    for bits in range(9):
        found = levels.posterize(pixels, np.full(len(pixels), bits))
        assert torch.equal(found, functional.posterize(pixels, bits))
    mixed = np.arange(len(pixels)) % 9
    for one, alone, bits in zip(levels.posterize(pixels, mixed), pixels, mixed.tolist(), strict=True):
        assert torch.equal(one, functional.posterize(alone, bits))


def test_solarize(pixels: Tensor) -> None:
    for threshold in (0, 1, 127, 128, 254, 255):
        found = levels.solarize(pixels, np.full(len(pixels), threshold))
        assert torch.equal(found, functional.solarize(pixels, float(threshold)))
    mixed = np.arange(len(pixels)) * 37 % 256
    for one, alone, threshold in zip(levels.solarize(pixels, mixed), pixels, mixed.tolist(), strict=True):
        assert torch.equal(one, functional.solarize(alone, float(threshold)))


def test_invert(pixels: Tensor) -> None:
    assert torch.equal(levels.invert(pixels), functional.invert(pixels))


def test_equalize(pixels: Tensor) -> None:
    assert torch.equal(levels.equalize(pixels), functional.equalize(pixels))
    for found, alone in zip(levels.equalize(pixels), pixels, strict=True):
        picture = Image.fromarray(alone.permute(1, 2, 0).squeeze(2).numpy())
        assert np.array_equal(np.asarray(ImageOps.equalize(picture)), found.permute(1, 2, 0).squeeze(2).numpy())


def test_autocontrast(pixels: Tensor) -> None:
    found = levels.autocontrast(pixels)
    assert same_but_rounding(found, functional.autocontrast(pixels), equal=0.4)
    for one, source in zip(found.flatten(0, 1), pixels.flatten(0, 1).long(), strict=True):
        low, high = int(source.min()), int(source.max())
        expected = source if low == high else (source - low) * 255 // (high - low)
        assert torch.equal(one.long(), expected)
