"""Blur: the Gaussian of the drawn width, as torchvision has it, of a radius that the image must have room for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from support.pictures import same_but_rounding
from torchvision.transforms.v2 import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.blur import SIGMAS, Blur
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import parse_transform, transform_from_dict

WORDS = philox_words(bytes(16), view=7, domain=0, first_block=0, blocks=10_000).reshape(-1, 2)


def test_blurs_by_the_middle_of_each_part_of_its_range(noise: Any) -> None:
    blur = Blur("0.1", "2", "0.5")
    pixels = noise(SIGMAS, (3, 16, 13)).pixels_NIHW
    parameters = np.stack([np.arange(SIGMAS) % 3 > 0, np.arange(SIGMAS)], axis=1).astype(np.int64)
    assert blur.radius == 6
    for found, image, (applied, part) in zip(blur.apply(pixels, parameters), pixels, parameters.tolist(), strict=True):
        sigma = 0.1 + 1.9 * (2 * part + 1) / (2 * SIGMAS)
        expected = functional.gaussian_blur(image, [13, 13], [sigma, sigma])
        assert same_but_rounding(found, expected, equal=0.95) if applied else torch.equal(found, image)


def test_widths_are_drawn_evenly_and_it_is_applied_as_often_as_it_says() -> None:
    applied, part = Blur("0.1", "2", "0.2").parameters(WORDS).T
    assert (
        stats.chisquare([applied.sum(), len(WORDS) - applied.sum()], [len(WORDS) / 5, len(WORDS) * 4 / 5]).pvalue > 1e-3
    )
    assert stats.chisquare(np.bincount(part, minlength=SIGMAS)).pvalue > 1e-3
    biased = ((part / SIGMAS) ** 1.1 * SIGMAS).astype(int)
    assert stats.chisquare(np.bincount(biased, minlength=SIGMAS)).pvalue < 1e-6
    assert (Blur("0.1", "2", "0.2").outcomes, Blur("0.1", "2", "0.5").outcomes) == (None, 2 * SIGMAS)


def test_refuses_images_that_are_too_small_for_its_radius() -> None:
    assert ViewPlan.build(image=(3, 7, 9), transforms=["blur"]).exact
    with pytest.raises(
        InvalidInput, match="looks at pixels 6 away: expected a distance below the image's 6 pixels"
    ) as e:
        ViewPlan.build(image=(3, 6, 9), transforms=["blur"])
    assert e.value.do == "write blur(0.1, 1.66, 1) or leave it out"
    for high in ("1.66", "1.67"):
        assert (parse_transform(f"blur(0.1, {high})").radius < 6) == (high == "1.66")  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput, match="looks at pixels 9 away.*; leave it out$"):
        ViewPlan.build(image=(1, 4, 4), transforms=["blur(2, 3)"])


def test_texts_and_bounds() -> None:
    assert parse_transform("blur") == Blur("0.1", "2", "1") and parse_transform("blur(0.5)") == Blur("0.5", "2", "1")
    for text, message in {
        "blur(0)": "a standard deviation from 0.01 to 10",
        "blur(0.1, 11)": "a standard deviation from 0.01 to 10",
        "blur(2, 1)": "expected a SIGMA_HIGH from 2 on, found 1; write for example blur",
        "blur(1, 2, 3)": "a probability from 0 to 1",
    }.items():
        with pytest.raises(InvalidInput, match=message):
            parse_transform(text)


@pytest.mark.parametrize(
    "weights", [None, [], [[65536, 0, 0, 0, 0, 0, 0]] * 63, [[65535, 0, 0, 0, 0, 0, 0]] * 64, [[65536]] * 64]
)
def test_refuses_records_whose_weights_are_none(weights: Any) -> None:
    with pytest.raises(InvalidInput, match="bad transform 'blur'"):
        transform_from_dict(Blur().to_dict() | {"weights_q16": weights})
