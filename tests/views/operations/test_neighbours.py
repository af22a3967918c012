"""Sharpness and blur against torchvision's float kernels, and against sums written out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from support.pictures import PICTURES, same_but_rounding
from torch import Tensor
from torchvision.transforms.v2 import functional

from dgkd_cache.views.integer_tables import gaussian_q16
from dgkd_cache.views.operations import neighbours

OVER_ALL = pytest.mark.parametrize("pixels", PICTURES.values(), ids=PICTURES)


@OVER_ALL
@pytest.mark.parametrize("factor", [0, 6554, 32768, 65536, 98304, 131072, 655360])
def test_sharpness(pixels: Tensor, factor: int) -> None:
    found = neighbours.sharpness(pixels, np.full(len(pixels), factor))
    assert same_but_rounding(found, functional.adjust_sharpness(pixels, factor / 65536), equal=0.9)
    if factor == 65536:
        assert torch.equal(found, pixels)


def test_sharpness_is_a_blend_with_thirteenths_and_leaves_the_border() -> None:
    pixels = PICTURES["dim"][:2]
    found = neighbours.sharpness(pixels, np.array([20_000, 120_000]))
    for one, source, factor in zip(found, pixels.tolist(), (20_000, 120_000), strict=True):
        for channel, levels in enumerate(source):
            for y, x in ((0, 0), (0, 5), (8, 13), (4, 0)):
                assert one[channel, y, x] == levels[y][x]
            for y, x in ((1, 1), (4, 6), (7, 12)):
                around = sum(levels[y + dy][x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)) + 4 * levels[y][x]
                smooth = (Fraction(around, 13) + Fraction(1, 2)) // 1
                exact = (factor * levels[y][x] + (65536 - factor) * smooth) // 65536
                assert one[channel, y, x] == min(255, max(0, exact))


@pytest.mark.parametrize("shape", [(2, 3, 2, 9), (2, 1, 9, 2), (1, 3, 1, 1)])
def test_sharpness_leaves_images_without_an_inside(shape: tuple[int, ...]) -> None:
    pixels = torch.arange(np.prod(shape), dtype=torch.uint8).reshape(shape)
    assert torch.equal(neighbours.sharpness(pixels, np.full(len(pixels), 0)), pixels)


@OVER_ALL
@pytest.mark.parametrize(("sigma", "radius"), [("0.1", 1), ("0.5", 2), ("1", 3), ("2", 6), ("2", 7)])
def test_blur(pixels: Tensor, sigma: str, radius: int) -> None:
    weights = np.array([gaussian_q16(Fraction(sigma), radius)] * len(pixels))
    found = neighbours.blur(pixels, weights)
    expected = functional.gaussian_blur(pixels, [2 * radius + 1] * 2, [float(sigma)] * 2)
    assert same_but_rounding(found, expected, equal=0.95)


def test_each_sample_has_weights_of_its_own() -> None:
    pixels = PICTURES["noise"]
    weights = np.array([gaussian_q16(Fraction(1 + place, 4), 5) for place in range(len(pixels))])
    for found, alone, own in zip(neighbours.blur(pixels, weights), pixels, weights, strict=True):
        assert torch.equal(found, neighbours.blur(alone[None], own[None])[0])


def test_the_heaviest_weights_on_white_overflow_nowhere() -> None:
    white = torch.full((3, 3, 9, 9), 255, dtype=torch.uint8)
    for weights in ([65536, 0, 0], [0, 32768, 0], [1, 0, 32767.5], [21846, 21845, 0], [2, 16383, 16384]):
        sums = np.array([[int(weight) for weight in weights]] * 3)
        sums[:, 0] = 65536 - 2 * sums[:, 1:].sum(axis=1)
        assert torch.equal(neighbours.blur(white, sums), white)
