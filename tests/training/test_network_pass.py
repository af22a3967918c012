"""An error in a network's forward pass is told with its line in one process, and left as it is among several."""

from __future__ import annotations

import pytest
import torch

from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.training.network_pass import network_pass, require_rows

PIXELS = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)


def test_an_error_of_the_network_is_told_with_the_batch_and_its_line() -> None:
    with (
        pytest.raises(InvalidInput, match="the network fails in training") as caught,
        network_pass(PIXELS, "in training", ALONE),
    ):
        torch.ones(2) @ torch.ones(3)
    message = str(caught.value)
    assert "uint8 [3, 1, 8, 8] before preprocessing" in message and "RuntimeError" in message
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_among_ranks_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="size") as caught, network_pass(PIXELS, "in training", Ranks(world=2)):
        torch.ones(2) @ torch.ones(3)
    assert not isinstance(caught.value, InvalidInput)


def test_a_pass_that_goes_well_changes_nothing() -> None:
    with network_pass(PIXELS, "in training", ALONE):
        total = PIXELS.sum()
    assert int(total) == 0


def test_one_row_for_each_image_and_one_number_for_each_class() -> None:
    require_rows(torch.zeros(3, 7), 3)
    require_rows(torch.zeros(3, 7), 3, 7)
    for logits, classes, words in (
        (
            torch.zeros(2, 7),
            None,
            r"each of the 3 images of .*expected a tensor \[3, classes\], found .*\[2, 7\]",
        ),
        (torch.zeros(3, 7), 5, r"expected a tensor \[3, 5\], found float32 \[3, 7\]"),
        (torch.zeros(3), 5, r"found float32 \[3\]"),
        (None, None, "found None"),
    ):
        with pytest.raises(InvalidInput, match=words):
            require_rows(logits, 3, classes)
