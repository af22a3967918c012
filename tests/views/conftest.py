"""Fixtures that the tests of views share: images of all kinds, and Philox written out once more, without numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from dgkd_cache.datasets.images import Images, TensorImages

CLASSES = ("cat", "dog", "eel")


class FileImages(TensorImages):
    """Images known by their files, as a folder of JPEGs is: decoders may differ a little."""

    def __init__(self, images_NIHW: Tensor) -> None:
        labels = np.arange(len(images_NIHW)) % len(CLASSES)
        super().__init__(images_NIHW, labels, classes=CLASSES, name="files", split="train")
        self.digest_kind = "file"


class ManySizes(Images):
    """Images of different sizes, none of them held as one tensor."""

    def __init__(self, images: Sequence[Tensor]) -> None:
        super().__init__(
            name="many sizes",
            split="train",
            classes=CLASSES,
            labels_N=np.arange(len(images)) % len(CLASSES),
            channels=images[0].shape[0],
            height=None,
            width=None,
            digest_kind="file",
        )
        self.images = images

    def image(self, sample: int) -> Tensor:
        return self.images[sample]


@pytest.fixture(scope="session")
def noise() -> Callable[..., TensorImages]:
    """noise(samples, (I, H, W)): random pixels, no two alike in any view."""

    def make(samples: int, shape: tuple[int, int, int], seed: int = 0) -> TensorImages:
        random = np.random.Generator(np.random.PCG64(seed))
        pixels = random.integers(1, 256, (samples, *shape), dtype=np.uint8)
        labels = random.integers(0, len(CLASSES), samples)
        return TensorImages(pixels, labels, classes=CLASSES, name="noise", split="train")

    return make


def smooth_pixels(samples: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """Pictures with structure but no noise, uint8 [samples, *shape]: coarse noise, enlarged."""
    channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (samples, channels, height // 4, width // 4), generator=generator).float()
    fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return fine.round().to(torch.uint8)


@pytest.fixture(scope="session")
def files() -> Callable[..., FileImages]:
    """files(samples, (I, H, W)): smooth pictures that are known by their files."""
    return lambda samples, shape, seed=0: FileImages(smooth_pixels(samples, shape, seed))


@pytest.fixture(scope="session")
def many_sizes() -> ManySizes:
    """Twelve colour images from 24 x 90 to 90 x 24 pixels."""
    sizes = [(24, 90), (90, 24), (40, 40), (33, 47), (64, 48), (48, 64)] * 2
    return ManySizes([smooth_pixels(1, (3, *size), seed)[0] for seed, size in enumerate(sizes)])


def slow_philox(key16: bytes, counter: Sequence[int]) -> list[int]:
    """Four words of Philox4x64-10 in Python integers, as the paper writes it."""
    low = 2**64 - 1
    key = [int.from_bytes(key16[:8], "little"), int.from_bytes(key16[8:], "little")]
    a, b, c, d = counter
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = (second >> 64) ^ b ^ key[0], second & low, (first >> 64) ^ d ^ key[1], first & low
        key = [(key[0] + 0x9E3779B97F4A7C15) & low, (key[1] + 0xBB67AE8584CAA73B) & low]
    return [a, b, c, d]


@pytest.fixture(scope="session")
def python_philox() -> Callable[[bytes, Sequence[int]], list[int]]:
    """python_philox(key16, counter): an independent implementation."""
    return slow_philox


@pytest.fixture(scope="session")
def augment() -> Callable[..., np.ndarray]:
    """augment(image_IHW, dy, dx, flip, padding): numpy pad, slice and reverse."""

    def apply(image: np.ndarray, dy: int, dx: int, flip: int, padding: int) -> np.ndarray:
        height, width = image.shape[1:]
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        cut = padded[:, dy : dy + height, dx : dx + width]
        return cut[:, :, ::-1] if flip else cut

    return apply
