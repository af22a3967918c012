"""Mixtures of two batches: against slices and integer sums written out, on the CPU and by the way of other devices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dgkd_cache.views.operations.mixtures import average, average_anywhere, put_box, put_box_anywhere


@pytest.mark.parametrize("way", [average, average_anywhere])
def test_an_average_is_the_rounded_sum_of_all_levels(way) -> None:
    """Every pair of levels, at shares that round in every way."""
    shares_B = np.array([0, 1, 127, 128, 129, 32_767, 32_768, 32_769, 43_690, 65_535, 65_536])
    own, partner = np.meshgrid(np.arange(256), np.arange(256))
    batch = [np.tile(levels.astype(np.uint8), (len(shares_B), 1, 1, 1)) for levels in (own, partner)]
    found = way(*map(torch.from_numpy, batch), shares_B)
    assert found.dtype == torch.uint8
    for share, mixed in zip(shares_B.tolist(), found.numpy(), strict=True):
        assert np.array_equal(mixed[0], (own * share + partner * (65536 - share) + 32768) // 65536), share


@pytest.mark.parametrize("way", [put_box, put_box_anywhere])
def test_a_box_is_a_slice_of_the_partner(way) -> None:
    """All boxes of an image of 3 x 4 pixels, empty and whole ones among them."""
    random = np.random.default_rng(0)
    sides = [[(a, b) for a, b in itertools.product(range(side + 1), repeat=2) if a <= b] for side in (3, 4)]
    boxes = [(*rows, *columns) for rows, columns in itertools.product(*sides)]
    own, partner = random.integers(0, 256, (2, len(boxes), 2, 3, 4), dtype=np.uint8)
    found = way(torch.from_numpy(own), torch.from_numpy(partner), np.array(boxes).T)
    for i, (top, bottom, left, right) in enumerate(boxes):
        expected = own[i].copy()
        expected[:, top:bottom, left:right] = partner[i, :, top:bottom, left:right]
        assert np.array_equal(found[i].numpy(), expected), boxes[i]


def test_the_images_are_left_as_they_were() -> None:
    own, partner = torch.full((2, 1, 3, 4), 9, dtype=torch.uint8), torch.full((2, 1, 3, 4), 200, dtype=torch.uint8)
    average(own, partner, np.array([5, 60_000]))
    put_box(own, partner, np.array([[0, 1], [2, 3], [0, 0], [4, 2]]))
    assert own.unique().tolist() == [9] and partner.unique().tolist() == [200]
