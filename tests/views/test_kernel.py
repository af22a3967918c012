"""The gather against numpy pad, slice and reverse, and against torchvision v2, on every size it may meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torchvision.transforms.v2 import functional

from dgkd_cache.views.kernel import evaluation_crop, gather_anywhere, gather_crop_flip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_gather_is_pad_slice_and_reverse(augment: Any, data: st.DataObject) -> None:
    channels, height, width = (data.draw(st.integers(1, limit)) for limit in (4, 13, 13))
    padding = data.draw(st.integers(0, 6))
    batch = data.draw(st.integers(1, 9))
    random = np.random.Generator(np.random.PCG64(data.draw(st.integers(0, 2**32))))
    images = random.integers(0, 256, (5, channels, height, width), dtype=np.uint8)
    samples, dy, dx, flip = (random.integers(0, limit, batch) for limit in (5, 2 * padding + 1, 2 * padding + 1, 2))
    expected = np.stack(
        [augment(images[sample], *numbers, padding) for sample, *numbers in zip(samples, dy, dx, flip, strict=True)]
    )
    for gather in (gather_crop_flip, lambda *args, **kwargs: gather_anywhere(*args, *kwargs.values())):
        found = gather(torch.from_numpy(images), samples, dy_B=dy, dx_B=dx, flip_B=flip, padding=padding)
        assert found.dtype == torch.uint8 and np.array_equal(found.numpy(), expected)


def test_gather_is_torchvisions_pad_crop_and_flip() -> None:
    random = np.random.Generator(np.random.PCG64(3))
    images = torch.from_numpy(random.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8))
    samples, dy, dx, flip = (random.integers(0, limit, 200) for limit in (20, 9, 9, 2))
    found = gather_crop_flip(images, samples, dy_B=dy, dx_B=dx, flip_B=flip, padding=4)
    for pixels, sample, top, left, flipped in zip(found, samples, dy, dx, flip, strict=True):
        expected = functional.crop(functional.pad(images[sample], [4, 4, 4, 4]), int(top), int(left), 32, 32)
        assert torch.equal(pixels, functional.horizontal_flip(expected) if flipped else expected)


@pytest.mark.parametrize("width", [1, 2, 4, 7, 8, 12, 28, 32, 40])
def test_every_place_in_the_first_and_the_last_image(augment: Any, width: int) -> None:
    """A shifted copy of these would begin before the images, or end behind them; and any width of word is mirrored."""
    random = np.random.Generator(np.random.PCG64(5))
    images = random.integers(1, 256, (2, 2, 3, width), dtype=np.uint8)
    places = np.array([(i, dy, dx, flip) for i in (0, 1) for dy in range(5) for dx in range(5) for flip in (0, 1)])
    samples, dy, dx, flip = places.T
    expected = np.stack([augment(images[i], *numbers, 2) for i, *numbers in places])
    for count in (len(images), 1):  # of one image, first and last at once
        chosen = samples < count
        found = gather_crop_flip(
            torch.from_numpy(images[:count]),
            samples[chosen],
            dy_B=dy[chosen],
            dx_B=dx[chosen],
            flip_B=flip[chosen],
            padding=2,
        )
        assert np.array_equal(found.numpy(), expected[chosen])


def test_images_that_are_not_contiguous_are_gathered_too(augment: Any) -> None:
    random = np.random.Generator(np.random.PCG64(4))
    images = torch.from_numpy(random.integers(0, 256, (6, 9, 9, 3), dtype=np.uint8)).permute(0, 3, 1, 2)
    numbers = {name: random.integers(0, 2, 6) for name in ("dy_B", "dx_B", "flip_B")}
    found = gather_crop_flip(images, np.arange(6), **numbers, padding=1)
    for pixels, image, *place in zip(found.numpy(), images.numpy(), *numbers.values(), strict=True):
        assert np.array_equal(pixels, augment(image, *place, 1))


@pytest.mark.parametrize(("size", "short"), [(224, 256), (32, 37), (7, 8)])
def test_evaluation_cuts_the_centre_of_the_enlarged_image(size: int, short: int) -> None:
    image = torch.arange(3 * 50 * 70).reshape(3, 50, 70).to(torch.uint8)
    resized = functional.resize(image, [short], antialias=True)
    assert min(resized.shape[1:]) == short
    top, left = round((resized.shape[1] - size) / 2), round((resized.shape[2] - size) / 2)
    assert torch.equal(evaluation_crop(image, size), resized[:, top : top + size, left : left + size])
