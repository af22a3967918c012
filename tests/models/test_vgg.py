"""VGG for small images: its pools, and its parameters summed block by block."""

from __future__ import annotations

import pytest
import torch
from support.counting import counted

from dgkd_cache.models.vgg import Vgg


@pytest.mark.parametrize(("side", "left"), [(8, 1), (32, 4), (63, 7), (64, 4)])
def test_vgg_pools_three_times_and_a_fourth_from_64_pixels_on(side: int, left: int) -> None:
    with torch.device("meta"):
        model = Vgg((1, 1, 1, 1, 1), channels=3, classes=10, height=side, width=side).eval()
        assert model.features(torch.empty(1, 3, side, side)).shape == (1, 512, left, left)


def vgg(convolutions: list[int], *, classes: int) -> int:
    total, inputs = 0, 3
    for width in convolutions:
        total += 9 * inputs * width + width + 2 * width
        inputs = width
    return total + 512 * classes + classes


# Block by block, as in configurations S, A, B, D, E of RepDistiller's models/vgg.py.
VGG = {
    "vgg8": [64, 128, 256, 512, 512],
    "vgg11": [64, 128, *[256] * 2, *[512] * 4],
    "vgg13": [64, 64, 128, 128, *[256] * 2, *[512] * 4],
    "vgg16": [64, 64, 128, 128, *[256] * 3, *[512] * 6],
    "vgg19": [64, 64, 128, 128, *[256] * 4, *[512] * 8],
}


@pytest.mark.parametrize("name", VGG)
def test_vgg(name: str) -> None:
    assert len(VGG[name]) + 3 == int(name[3:])  # the original counts three linear layers, this one keeps one
    assert counted(name, classes=100) == vgg(VGG[name], classes=100)
