"""Rotate, shear and translate: angles and shifts from their parameters, drawn evenly; the pixels are torchvision's."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms.v2 import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.geometry import ANGLES, Rotate, Shear, Translate
from dgkd_cache.views.registry import parse_transform, transform_from_dict

WORDS = philox_words(bytes(16), view=6, domain=0, first_block=0, blocks=20_000)
EVERY_ANGLE = np.arange(0, ANGLES, 37)[:, None]


def degrees_of(most: float) -> list[float]:
    return [most * (2 * angle + 1 - ANGLES) / ANGLES for angle in EVERY_ANGLE[:, 0].tolist()]


def test_rotate_turns_by_the_middle_of_each_part_of_its_range(noise: Any) -> None:
    pixels = noise(len(EVERY_ANGLE), (3, 17, 16)).pixels_NIHW
    found = Rotate("23.5").apply(pixels, EVERY_ANGLE)
    for one, image, degrees in zip(found, pixels, degrees_of(23.5), strict=True):
        assert (one == functional.rotate(image, degrees)).double().mean() > 0.995  # the rest is halfway between two
    assert not torch.equal(found[0], pixels[0])


def test_shear_slants_rows_about_the_centre(noise: Any) -> None:
    pixels = noise(len(EVERY_ANGLE), (3, 17, 16)).pixels_NIHW
    for one, image, degrees in zip(Shear("40").apply(pixels, EVERY_ANGLE), pixels, degrees_of(40), strict=True):
        expected = functional.affine(image, angle=0.0, translate=[0, 0], scale=1.0, shear=[degrees, 0.0])
        assert (one == expected).double().mean() > 0.995


def test_translate_shifts_by_whole_pixels_halves_upwards(noise: Any) -> None:
    shift = Translate("0.3")
    parameters = shift.parameters(WORDS[:60].reshape(30, 2))
    pixels = noise(30, (1, 20, 31)).pixels_NIHW
    for one, image, steps in zip(shift.apply(pixels, parameters), pixels, parameters.tolist(), strict=True):
        part = Fraction(19661, 65536)  # 0.3, q16
        right, down = (
            math.floor(side * part * Fraction(2 * step + 1 - 65536, 65536) + Fraction(1, 2))
            for side, step in zip((31, 20), steps, strict=True)
        )
        assert torch.equal(one, functional.affine(image, 0.0, [right, down], 1.0, [0.0, 0.0]))


def test_all_are_drawn_evenly() -> None:
    for transform in (Rotate("30"), Shear("10")):
        angles = transform.parameters(WORDS[:, None])[:, 0]
        assert stats.chisquare(np.bincount(angles // 4, minlength=ANGLES // 4)).pvalue > 1e-3
        assert stats.chisquare(np.bincount(((angles / ANGLES) ** 1.1 * 128).astype(int), minlength=128)).pvalue < 1e-6
        assert transform.outcomes == ANGLES
    steps = Translate("0.1").parameters(WORDS.reshape(-1, 2))
    assert stats.chi2_contingency(np.histogram2d(*steps.T // 8192, bins=8)[0]).pvalue > 1e-3, "independent"
    shifts = Translate("0.1").shift(steps[:, 0], 100)
    expected = np.array([0.5, *[1] * 19, 0.5]) * len(shifts) / 20  # torchvision's rounding of a uniform shift
    assert stats.chisquare(np.bincount(shifts + 10, minlength=21), expected).pvalue > 1e-3
    assert stats.chisquare(np.bincount(shifts + 10, minlength=21)).pvalue < 1e-6


@pytest.mark.parametrize(
    ("record", "change"),
    [
        ("rotate(15)", {"cos_sin_q30": None}),
        ("rotate(15)", {"cos_sin_q30": []}),
        ("rotate(15)", {"cos_sin_q30": [[2**30, 0]] * 255}),
        ("rotate(15)", {"cos_sin_q30": [[2**30 + 1, 0]] * 256}),
        ("rotate(15)", {"cos_sin_q30": [[1, 0.5]] * 256}),
        ("rotate(15)", {"cos_sin_q30": {"0": 1}}),
        ("rotate(15)", {"degrees": "15.0"}),
        ("rotate(15)", {"degrees": 15}),
        ("shear(10)", {"tan_q30": [-1] * 256}),
        ("shear(10)", {"tan_q30": [True] * 256}),
        ("translate(0.1)", {"fraction": "1.1"}),
    ],
)
def test_refuses_records_whose_tables_are_none(record: str, change: Any) -> None:
    transform = parse_transform(record)
    assert transform_from_dict(transform.to_dict()) == transform
    with pytest.raises(InvalidInput, match=f"bad transform '{transform.name}'"):
        transform_from_dict(transform.to_dict() | change)


def test_a_table_of_a_record_is_used_as_it_is(noise: Any) -> None:
    record = Rotate("15").to_dict() | {"cos_sin_q30": [[0, 2**30]] * 256}
    pixels = noise(2, (1, 6, 6)).pixels_NIHW
    found = transform_from_dict(record).apply(pixels, np.array([[300], [200]]))
    assert torch.equal(found[0], torch.rot90(pixels[0], 1, (1, 2)))
    assert torch.equal(found[1], torch.rot90(pixels[1], -1, (1, 2)))


def test_texts_and_bounds() -> None:
    assert parse_transform("rotate(15.50)") == Rotate("15.5")
    for text in ("rotate", "rotate(181)", "shear(81)", "translate(2)", "shear(a)"):
        with pytest.raises(InvalidInput, match="bad transform"):
            parse_transform(text)
