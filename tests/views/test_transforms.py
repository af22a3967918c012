"""Crop, hflip and none: the parameters from a sample's words, and the pixels from the parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dgkd_cache.errors import InvalidInput
from dgkd_cache.views.transforms import Crop, Hflip, Unchanged


def test_parameters_are_the_upper_half_of_a_word_scaled_to_the_range() -> None:
    words_BW = np.array([[0, 2**63], [2**64 - 1, 2**62]], dtype=np.uint64)
    assert Crop(4).parameters(words_BW).tolist() == [[0, 4], [8, 2]]  # 9 / 2 and 9 / 4, rounded down
    assert Hflip().parameters(words_BW[:, :1]).tolist() == [[0], [1]]
    assert Unchanged().parameters(words_BW[:, :0]).shape == (2, 0)


def test_outcomes_are_the_places_of_a_crop_and_the_two_sides() -> None:
    assert (Crop(4).outcomes, Hflip().outcomes, Unchanged().outcomes) == (9 * 9, 2, 1)


@pytest.mark.parametrize("place", [(0, 0), (2, 4), (1, 3)])
def test_a_crop_is_a_window_of_the_padded_image(place: tuple[int, int]) -> None:
    image_HW = np.arange(1, 31, dtype=np.uint8).reshape(5, 6)
    padded_HW, (y, x) = np.pad(image_HW, 2), place
    found = Crop(2).apply(torch.from_numpy(image_HW)[None, None], np.array([place]))
    assert np.array_equal(found[0, 0].numpy(), padded_HW[y : y + 5, x : x + 6])


def test_a_flip_reverses_each_row_of_the_samples_that_drew_it() -> None:
    images_BIHW = torch.arange(48, dtype=torch.uint8).reshape(2, 1, 4, 6)
    found = Hflip().apply(images_BIHW, np.array([[0], [1]]))
    assert torch.equal(found[0], images_BIHW[0])
    assert found[1, 0].tolist() == [row[::-1] for row in images_BIHW[1, 0].tolist()]


@pytest.mark.parametrize("padding", [0, 1025, True, 1.5])
def test_a_padding_out_of_range_is_refused(padding: int) -> None:
    with pytest.raises(InvalidInput, match="bad transform 'crop'"):
        Crop(padding)
