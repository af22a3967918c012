"""The order of channels, told from the shapes of well-known images."""

from __future__ import annotations

import pytest

from dgkd_cache.datasets.channel_order import channels_are_last


@pytest.mark.parametrize(
    ("shape", "last"),
    [
        ((32, 32, 3), True),  # CIFAR as files have it
        ((3, 32, 32), False),  # CIFAR as torch has it
        ((28, 28, 1), True),
        ((1, 28, 28), False),
        ((480, 640, 4), True),  # RGBA
        ((4, 480, 640), False),
        ((64, 64, 12), True),  # bands of a satellite: equal sides, another number
        ((12, 64, 64), False),
        ((4, 4, 3), False),  # small enough to be channels: left as it is
        ((32, 32, 32), False),
        ((9, 15, 20), False),
    ],
)
def test_the_shape_tells_the_order(shape: tuple[int, int, int], last: bool) -> None:
    assert channels_are_last(shape) is last
