"""Brightness, contrast, saturation, hue and grey against torchvision's float kernels, and against exact fractions."""

from __future__ import annotations

import colorsys
from fractions import Fraction

import numpy as np
import pytest
import torch
from support.pictures import PICTURES, same_but_rounding
from torch import Tensor
from torchvision.transforms.v2 import functional

from dgkd_cache.views.operations import colours

FACTORS = [0, 6554, 65535, 65536, 98304, 131072]
OVER_ALL = pytest.mark.parametrize("pixels", PICTURES.values(), ids=PICTURES)


@OVER_ALL
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_factors_are_torchvisions_but_for_rounding(name: str, pixels: Tensor, factor: int) -> None:
    found = getattr(colours, name)(pixels, np.full(len(pixels), factor))
    expected = getattr(functional, f"adjust_{name}")(pixels, factor / 65536)
    assert same_but_rounding(found, expected, equal=0.9)
    if factor == 65536:
        assert torch.equal(found, pixels)


@OVER_ALL
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_sample_has_a_factor_of_its_own(name: str, pixels: Tensor) -> None:
    change = getattr(colours, name)
    values = np.arange(len(pixels)) * 7001 - (5000 if name == "hue" else 0)
    for found, alone, value in zip(change(pixels, values), pixels, values, strict=True):
        assert torch.equal(found, change(alone[None], np.array([value]))[0])


def test_contrast_is_exact_about_the_mean_of_the_grey_levels() -> None:
    pixels = PICTURES["waves"][:1]
    greys = [
        (2989 * red + 5870 * green + 1140 * blue) // 10_000 for red, green, blue in pixels[0].flatten(1).T.tolist()
    ]
    mean = Fraction(sum(greys), len(greys))
    for factor in (0, 40000, 90000):
        other = (65536 - factor) * mean // 1
        expected = [
            [min(255, max(0, (factor * x + other) // 65536)) for x in row] for row in pixels[0].flatten(1).tolist()
        ]
        assert colours.contrast(pixels, np.array([factor]))[0].flatten(1).tolist() == expected


@OVER_ALL
@pytest.mark.parametrize("shift", [-196608, -70000, 0, 1, 131072])
def test_hue_is_torchvisions_but_for_rounding(pixels: Tensor, shift: int) -> None:
    found = colours.hue(pixels, np.full(len(pixels), shift))
    assert same_but_rounding(found, functional.adjust_hue(pixels, shift / colours.HUE_CIRCLE), equal=0.4)
    if shift == 0:
        assert torch.equal(found, pixels)


def test_hue_against_the_standard_librarys() -> None:
    pixels = PICTURES["noise"][:1]
    found = colours.hue(pixels, np.array([50_000]))[0].flatten(1).T.tolist()
    for (red, green, blue), turned in zip(pixels[0].flatten(1).T.tolist(), found, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
        expected = colorsys.hsv_to_rgb((hue + 50_000 / colours.HUE_CIRCLE) % 1, saturation, value)
        assert all(abs(one - 255 * exact) <= 0.52 for one, exact in zip(turned, expected, strict=True))


@OVER_ALL
def test_grey(pixels: Tensor) -> None:
    found = colours.grey(pixels).to(torch.uint8)
    assert same_but_rounding(found, functional.rgb_to_grayscale(pixels), equal=0.99)
