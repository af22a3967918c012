"""Rotation, shear and translation take torchvision's nearest pixels, but where a place is halfway between two."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from support.pictures import PICTURES
from torch import Tensor
from torchvision.transforms.v2 import functional

from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.operations.affine import ONE_Q30, identity, rotated, sample_nearest, sheared, translated

OVER_ALL = pytest.mark.parametrize("pixels", PICTURES.values(), ids=PICTURES)
TIE = 1e-3
"""Pixels: nearer to a border between two pixels, torchvision's float32 decides otherwise."""


def decided(map_23: IntArray, height: int, width: int) -> Tensor:
    """Returns True where the place in the source is no tie, bool [H, W], in double precision."""
    y, x = np.mgrid[0:height, 0:width]
    (a, b, c), (d, e, f) = map_23 / ONE_Q30
    column = (a * (2 * x + 1 - width) + b * (2 * y + 1 - height) + c + width - 1) / 2
    row = (d * (2 * x + 1 - width) + e * (2 * y + 1 - height) + f + height - 1) / 2
    return torch.from_numpy((np.abs(column % 1 - 0.5) > TIE) & (np.abs(row % 1 - 0.5) > TIE))


def agree(found: Tensor, expected: Tensor, maps: IntArray) -> bool:
    height, width = found.shape[2:]
    same = (found == expected).all(dim=1)
    clear = torch.stack([decided(one, height, width) for one in maps])
    assert clear.double().mean() > 0.8
    return bool((same | ~clear).all())


@OVER_ALL
@pytest.mark.parametrize("degrees", [0.1, 30, 90, 133.3, 180, -17.25, -90])
def test_rotation(pixels: Tensor, degrees: float) -> None:
    angle = math.radians(degrees)
    cos, sin = (np.array([round(value * ONE_Q30)] * len(pixels)) for value in (math.cos(angle), math.sin(angle)))
    maps = rotated(cos, sin)
    found = sample_nearest(pixels, maps)
    square = pixels.shape[2] == pixels.shape[3]
    if degrees % 180 != 90 or square:  # else each place is halfway between two
        assert agree(found, functional.rotate(pixels, degrees), maps)
    if degrees == 180 or degrees % 90 == 0 and square:
        assert torch.equal(found, torch.rot90(pixels, int(degrees // 90), (2, 3)))


@OVER_ALL
@pytest.mark.parametrize("slope", [-0.99, 0.013, 0.21])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("centre", [None, [0, 0]], ids=["centre", "border"])
def test_shear(pixels: Tensor, slope: float, axis: int, centre: list[float] | None) -> None:
    height, width = pixels.shape[2:]
    slopes = np.array([round(slope * ONE_Q30)] * len(pixels))
    offset = None if centre is None else np.full(len(pixels), (height, width)[axis])
    maps = sheared(slopes, axis=axis, offset_B=offset)
    angle = math.degrees(math.atan(slope))
    shear = [angle, 0.0] if axis == 0 else [0.0, angle]
    expected = functional.affine(pixels, angle=0.0, translate=[0, 0], scale=1.0, shear=shear, center=centre)
    assert agree(sample_nearest(pixels, maps), expected, maps)


@OVER_ALL
@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-1, 7), (100, 0), (0, -100)])
def test_translation_to_the_bit(pixels: Tensor, shift: tuple[int, int]) -> None:
    right, down = (np.full(len(pixels), each) for each in shift)
    found = sample_nearest(pixels, translated(right, down))
    assert torch.equal(found, functional.affine(pixels, 0.0, list(shift), 1.0, [0.0, 0.0]))


@OVER_ALL
def test_the_identity_and_a_map_of_its_own_for_each_sample(pixels: Tensor) -> None:
    assert torch.equal(sample_nearest(pixels, identity(len(pixels))), pixels)
    angles = np.arange(len(pixels)) * 0.3
    maps = rotated((np.cos(angles) * ONE_Q30).astype(np.int64), (np.sin(angles) * ONE_Q30).astype(np.int64))
    for found, alone, own in zip(sample_nearest(pixels, maps), pixels, maps, strict=True):
        assert torch.equal(found, sample_nearest(alone[None], own[None])[0])
