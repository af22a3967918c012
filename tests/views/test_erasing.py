"""Erasing: torchvision's boxes for the same area and ratio, as often as it says, drawn evenly, and black inside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms.v2 import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.boxes import ATTEMPTS, RATIOS
from dgkd_cache.views.erasing import Erasing
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import parse_transform, transform_from_dict
from dgkd_cache.views.renderer import ViewRenderer

WORDS = philox_words(bytes(16), view=8, domain=0, first_block=0, blocks=30_000).reshape(-1, ATTEMPTS + 2)
ERASING = Erasing("0.25")


def torchvision_box(row: list[int], height: int, width: int) -> tuple[int, int, int, int]:
    """Returns what RandomErasing.make_params has, in floats; the place is drawn, so it is taken from the row."""
    _, *attempts, y, x = row
    for attempt in attempts:
        area = height * width * (attempt // RATIOS) / 2**24
        ratio = math.exp(math.log(0.3) + (math.log(3.3) - math.log(0.3)) * (attempt % RATIOS + 0.5) / RATIOS)
        h, w = int(round(math.sqrt(area * ratio))), int(round(math.sqrt(area / ratio)))
        if h < height and w < width:
            return y * (height - h + 1) >> 32, x * (width - w + 1) >> 32, h, w
    return 0, 0, 0, 0


@pytest.mark.parametrize("size", [(32, 32), (8, 8), (28, 40), (224, 100), (3, 200), (1, 9)])
def test_boxes_are_torchvisions(size: tuple[int, int]) -> None:
    rows = ERASING.parameters(WORDS[:300])
    other = 0
    for row in rows.tolist():
        found, expected = ERASING.box(row, *size), torchvision_box(row, *size)
        other += found != expected
        assert all(abs(one - two) <= 1 for one, two in zip(found[2:], expected[2:], strict=True))
    assert other <= 3, "a side that is a half but for the last digit of a ratio"
    if size == (1, 9):
        assert all(ERASING.box(row, *size)[2] == 0 for row in rows.tolist()), "nothing to erase"


def test_pixels_are_those_of_torchvisions_kernel(noise: Any) -> None:
    images = noise(120, (3, 20, 16))
    plan = ViewPlan.build(image=(3, 20, 16), transforms=["erasing(0.5)"], seed=1)
    erasing, rows = plan.transforms[0], plan.parameters(3, 0, 120)
    assert isinstance(erasing, Erasing) and 30 < rows[:, 0].sum() < 90
    found = ViewRenderer(plan, images).pixels(np.full(120, 3), np.arange(120))
    for one, image, row in zip(found, images.pixels_NIHW, rows, strict=True):
        top, left, height, width = erasing.box(row, 20, 16)
        assert height * width > 0
        black = torch.zeros(3, 1, 1, dtype=torch.uint8)
        expected = functional.erase(image, top, left, height, width, black) if row[0] else image
        assert torch.equal(one, expected)


def test_areas_ratios_and_places_are_drawn_evenly() -> None:
    rows = ERASING.parameters(WORDS)
    counts = rows[:, 0].sum(), len(rows) - rows[:, 0].sum()
    assert stats.chisquare(counts, (len(rows) / 4, len(rows) * 3 / 4)).pvalue > 1e-3
    areas, ratios = np.divmod(rows[:, 1 : 1 + ATTEMPTS].ravel(), RATIOS)
    assert stats.kstest(areas / 2**24, stats.uniform(0.02, 0.31).cdf).pvalue > 1e-3
    assert stats.chisquare(np.bincount(ratios, minlength=RATIOS)).pvalue > 1e-3
    assert stats.chisquare(np.bincount(((ratios / 64) ** 1.05 * 64).astype(int), minlength=RATIOS)).pvalue < 1e-6
    for place in rows[:, -2:].T:
        assert stats.kstest(place / 2**32, stats.uniform.cdf).pvalue > 1e-3
        assert stats.kstest((place / 2**32) ** 1.1, stats.uniform.cdf).pvalue < 1e-6


@pytest.mark.parametrize(
    "change",
    [
        {"area_q24": [0, 2**24]},
        {"area_q24": None},
        {"ratio_q16": []},
        {"ratio_q16": [65536] * 64},
        {"ratio_q16": None},
        {"probability": 0.5},
    ],
)
def test_refuses_records_that_are_none_of_it(change: Any) -> None:
    assert transform_from_dict(ERASING.to_dict()) == ERASING
    with pytest.raises(InvalidInput, match="bad transform 'erasing'"):
        transform_from_dict(ERASING.to_dict() | change)


def test_texts_and_bounds() -> None:
    assert parse_transform("erasing") == Erasing("0.5") and parse_transform("erasing(0.250)") == ERASING
    with pytest.raises(InvalidInput, match=r"a probability from 0 to 1, found erasing\(2\); write for example erasing"):
        parse_transform("erasing(2)")
