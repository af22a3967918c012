"""The order of an image's dimensions, told from its shape: channels come first here, and last in most files."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["channels_are_last"]

_MOST_CHANNELS_OF_PICTURES = 4


def channels_are_last(shape: Sequence[int]) -> bool:
    """True for a shape [a, b, c] that reads as a picture's [H, W, I]: a and b are sizes, c is a number of channels.

    So it is where c is at most 4 and the others are not, and where a and b are equal sides and c is another number.
    """
    first, second, last = shape
    if min(first, second) <= _MOST_CHANNELS_OF_PICTURES:
        return False
    return last <= _MOST_CHANNELS_OF_PICTURES or first == second != last
