"""Transforms that change some samples: the others stay, whatever else is in the batch, and a chance is what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.arguments import probability
from dgkd_cache.views.sometimes import Sometimes, change_rows

WORDS = philox_words(bytes(16), view=1, domain=0, first_block=0, blocks=10_000)[:, None]


@dataclass(frozen=True)
class Darken(Sometimes):
    name = "darken"
    arguments = (probability(),)
    example = "darken(0.5)"
    stage = 3

    probability: str

    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        assert (parameters_SP[:, 0] == 1).all()
        return pixels_SIHW // 2


@pytest.mark.parametrize("rows", [[], [2], [0, 4], [3, 1], [0, 1, 2, 3, 4]])
def test_only_the_rows_are_changed_and_the_source_is_not(rows: list[int]) -> None:
    pixels = torch.arange(5 * 6, dtype=torch.uint8).reshape(5, 1, 2, 3)
    before = pixels.clone()
    found = change_rows(pixels, np.array(rows, np.int64), lambda some: some + 100)
    assert torch.equal(pixels, before)
    for place in range(5):
        assert torch.equal(found[place], before[place] + 100 if place in rows else before[place])


@pytest.mark.parametrize("chance", ["0", "0.1", "0.5", "1"])
def test_it_is_applied_as_often_as_it_says(chance: str) -> None:
    applied = Darken(chance).parameters(WORDS)
    assert applied.shape == (len(WORDS), 1)
    share = float(chance) * len(WORDS)
    if chance in ("0", "1"):
        assert applied.sum() == share
        return
    counts = int(applied.sum()), len(WORDS) - int(applied.sum())
    assert stats.chisquare(counts, (share, len(WORDS) - share)).pvalue > 1e-3
    biased = counts[0] * 1.1, len(WORDS) - counts[0] * 1.1
    assert stats.chisquare(biased, (share, len(WORDS) - share)).pvalue < 1e-6


def test_only_an_even_chance_has_outcomes_of_one_probability() -> None:
    assert [Darken(chance).outcomes for chance in ("0.5", "0.25", "1", "0")] == [2, None, None, None]


def test_the_pixels_of_a_batch(noise: Any) -> None:
    pixels = noise(40, (3, 4, 5)).pixels_NIHW
    parameters = Darken("0.5").parameters(WORDS[:40])
    found = Darken("0.5").apply(pixels, parameters)
    for one, source, (applied,) in zip(found, pixels, parameters.tolist(), strict=True):
        assert torch.equal(one, source // 2 if applied else source)
