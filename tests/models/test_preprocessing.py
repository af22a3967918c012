"""Preprocessing against its formula in float64 and against Pillow's resizing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.run_files.preprocess import Preprocess

CIFAR = Preprocess(mean=("0.4914", "0.4822", "0.4465"), std=("0.247", "0.2435", "0.2616"))


def pixels(batch: int, channels: int, height: int, width: int) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (batch, channels, height, width), dtype=np.uint8)
    return torch.from_numpy(values)


def test_normalises_as_the_formula_says() -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(2, 3, 1, 1)
    mean = np.array([0.4914, 0.4822, 0.4465])[:, None, None]
    std = np.array([0.247, 0.2435, 0.2616])[:, None, None]
    expected = (images.numpy().astype(np.float64) / 255 - mean) / std
    result = Preprocessing(CIFAR)(images)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("side", "size"), [(32, 48), (64, 24), (32, 224), (37, 20)])
def test_resizes_as_pillow_does(side: int, size: int) -> None:
    images = pixels(1, 1, side, side)
    plain = Preprocess(mean=("0",), std=("1",), input_size=size)
    pillow = Image.fromarray(images[0, 0].numpy().astype(np.float32))
    expected = np.asarray(pillow.resize((size, size), Image.Resampling.BILINEAR)) / 255
    np.testing.assert_allclose(Preprocessing(plain)(images)[0, 0].numpy(), expected, rtol=0, atol=1e-5)


def test_a_view_that_is_not_square_becomes_square() -> None:
    sized = CIFAR.model_copy(update={"input_size": 12})
    assert sized.network_size(8, 20) == (12, 12)
    assert Preprocessing(sized)(pixels(2, 3, 8, 20)).shape == (2, 3, 12, 12)
    assert CIFAR.network_size(8, 20) == (8, 20)


@pytest.mark.parametrize("size", [None, 16, 20])
def test_channels_last_changes_the_layout_and_no_value(size: int | None) -> None:
    images = pixels(3, 3, 16, 16)
    sized = CIFAR.model_copy(update={"input_size": size})
    result = Preprocessing(sized, channels_last=True)(images)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result, Preprocessing(sized)(images), rtol=0, atol=1e-5)


def test_moves_with_its_device_and_leaves_nothing_in_a_checkpoint() -> None:
    module = Preprocessing(CIFAR).to("meta")
    assert module(torch.empty(2, 3, 8, 8, dtype=torch.uint8, device="meta")).device.type == "meta"
    assert module.state_dict() == {}


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 3, 4, 4),
        torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
    ],
)
def test_other_pixels_are_refused(images: torch.Tensor) -> None:
    with pytest.raises(InvalidInput, match=r"expected uint8 \[B, 3, H, W\], found") as caught:
        Preprocessing(CIFAR)(images)
    assert caught.value.exit_code == 2
