"""Resizing as Pillow does it: Pillow itself is the oracle, bit for bit."""

from __future__ import annotations

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from dgkd_cache.models.pillow_resize import pillow_resize

MODES = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@pytest.mark.parametrize("interpolation", MODES)
def test_every_pixel_is_pillows(interpolation: str) -> None:
    random = np.random.default_rng(3)
    for trial in range(60):
        height, width, wanted_height, wanted_width = (int(side) for side in random.integers(1, 90, 4))
        if int(PIL.__version__.split(".")[0]) < 13 and height - wanted_height > 2 * (width - wanted_width):
            continue  # the order of columns and rows is that of Pillow 13
        pixels = random.integers(0, 256, (3, height, width), dtype=np.uint8)
        if trial % 3 == 0:
            pixels = np.where(pixels > 127, 255, 0).astype(np.uint8)  # sharp edges, where bicubic leaves 0 to 255
        image = Image.fromarray(pixels.transpose(1, 2, 0))
        expected = np.asarray(image.resize((wanted_width, wanted_height), MODES[interpolation])).transpose(2, 0, 1)
        found = pillow_resize(torch.from_numpy(pixels)[None], wanted_height, wanted_width, interpolation)
        assert found.dtype == torch.uint8
        assert np.array_equal(found[0].numpy(), expected), (height, width, wanted_height, wanted_width)


def test_a_batch_gives_what_its_images_give() -> None:
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    alone = [pillow_resize(image[None], 176, 176, "bicubic") for image in images]
    assert torch.equal(pillow_resize(images, 176, 176, "bicubic"), torch.cat(alone))


def test_the_same_size_changes_nothing() -> None:
    images = torch.randint(0, 256, (1, 1, 7, 9), dtype=torch.uint8)
    assert torch.equal(pillow_resize(images, 7, 9, "bilinear"), images)
