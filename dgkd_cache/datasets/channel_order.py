"""Guesses the order of an image's dimensions from its shape: channels are first here, and last in most files."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["channels_are_last"]

_MOST_CHANNELS_OF_PICTURES = 4


def channels_are_last(shape: Sequence[int]) -> bool:
    """Returns True for a shape [a, b, c] that looks like [H, W, I]: a and b are sizes, c is a number of channels.

    This holds if c is at most 4 and the others are not, or if a and b are equal and c is another number.
    """
    first, second, last = shape
    if min(first, second) <= _MOST_CHANNELS_OF_PICTURES:
        return False
    return last <= _MOST_CHANNELS_OF_PICTURES or first == second != last
