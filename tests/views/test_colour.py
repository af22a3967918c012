"""Color-jitter and grayscale: torchvision's kernels in the drawn order, with the drawn factors, drawn evenly."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from support.pictures import PICTURES, same_but_rounding
from torchvision.transforms.v2 import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.colour import ColorJitter, Grayscale
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import parse_transform

WORDS = philox_words(bytes(16), view=5, domain=0, first_block=0, blocks=25_000).reshape(20_000, 5)
ADJUST = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
)


@pytest.mark.parametrize(("place", "text"), list(enumerate(["0.4", "0,0.4", "0,0,0.4", "0,0,0,0.1"])))
def test_each_of_the_four_alone_is_torchvisions(place: int, text: str) -> None:
    jitter = parse_transform(f"color-jitter({text})")
    assert isinstance(jitter, ColorJitter)
    pixels = PICTURES["noise"]
    parameters = jitter.parameters(WORDS[: len(pixels)])
    values = jitter.values(parameters)[:, place].tolist()
    for found, image, value in zip(jitter.apply(pixels, parameters), pixels, values, strict=True):
        factor = value / 65536 / (6 if place == 3 else 1)
        assert same_but_rounding(found, ADJUST[place](image, factor), equal=0.4)
        assert not torch.equal(found, image)


def test_the_four_follow_in_the_drawn_order() -> None:
    jitter = ColorJitter("0.4", "0.4", "0.4", "0.1")
    orders = list(itertools.permutations(range(4)))
    pixels = PICTURES["waves"][:1].expand(24, -1, -1, -1)
    parameters = np.column_stack([np.arange(24), jitter.parameters(WORDS[:24])[:, 1:]])
    found = jitter.apply(pixels, parameters)
    for place, order in enumerate(orders):
        image = pixels[place]
        for kind in order:
            value = int(jitter.values(parameters)[place, kind])
            image = ADJUST[kind](image, value / 65536 / (6 if kind == 3 else 1))
        # A grey level of rounding in one may grow in the next: by the contrast, 1.4 at most, and by the saturation.
        assert (found[place].int() - image.int()).abs().max() <= 5
        assert (found[place].int() - image.int()).abs().double().mean() < 0.6
    assert len({one.numpy().tobytes() for one in found}) == 24


def test_factors_are_drawn_evenly_from_torchvisions_ranges() -> None:
    jitter = ColorJitter("0.4", "1.5", "0", "0.5")
    values = jitter.values(jitter.parameters(WORDS)) / 65536
    for column, (low, high) in zip(values.T, [(0.6, 1.4), (0, 2.5), (1, 1), (-3, 3)], strict=True):
        assert low <= column.min() and column.max() <= high
        if low < high:
            assert stats.kstest(column, stats.uniform(low, high - low).cdf).pvalue > 1e-3
            bins = ((column - low) / (high - low) * 50).astype(int)
            assert stats.chisquare(np.bincount(bins, minlength=50)).pvalue > 1e-3
            biased = ((bins / 50) ** 1.1 * 50).astype(int)
            assert stats.chisquare(np.bincount(biased, minlength=50)).pvalue < 1e-6
    orders = np.bincount(jitter.parameters(WORDS)[:, 0], minlength=24)
    assert stats.chisquare(orders).pvalue > 1e-3
    orders[-1] = orders[-1] * 7 // 10
    assert stats.chisquare(orders).pvalue < 1e-6


def test_grayscale_is_torchvisions() -> None:
    for pixels in PICTURES.values():
        found = Grayscale("1").apply(pixels, np.ones((len(pixels), 1), np.int64))
        channels = pixels.shape[1]
        assert same_but_rounding(found, functional.rgb_to_grayscale(pixels, channels), equal=0.99)


def test_images_of_two_channels_have_no_colours() -> None:
    for text in ("color-jitter(0.4)", "grayscale", "rand-augment"):
        with pytest.raises(InvalidInput, match="on images of 2 channels: expected 1 or 3 channels, found 2"):
            ViewPlan.build(image=(2, 8, 8), transforms=[text])
        assert ViewPlan.build(image=(1, 8, 8), transforms=[text]).exact


def test_texts_and_bounds() -> None:
    assert parse_transform("color-jitter(0.4)") == ColorJitter("0.4", "0", "0", "0")
    assert parse_transform("grayscale") == Grayscale("0.1")
    for text, message in {
        "color-jitter": r"expected color-jitter\(BRIGHTNESS, CONTRAST, SATURATION, HUE\), for example color-jit",
        "color-jitter(0.4, 0.4, 0.4, 0.6)": "a hue from 0 to 0.5",
        "color-jitter(11)": "a brightness from 0 to 10",
        "color-jitter(1, 1, 1, 0.1, 2)": "found color-jitter",
    }.items():
        with pytest.raises(InvalidInput, match=message):
            parse_transform(text)


def test_nothing_to_jitter_changes_nothing(noise: Any) -> None:
    pixels = noise(30, (3, 6, 6)).pixels_NIHW
    none = ColorJitter("0", "0", "0", "0")
    assert torch.equal(none.apply(pixels, none.parameters(WORDS[:30])), pixels)
