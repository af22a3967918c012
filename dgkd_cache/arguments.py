"""Checks of what a public call is given; those of the stores are handed on, so that one import serves."""

from __future__ import annotations

from collections.abc import Sequence

from dgkd_stores.arguments import (
    as_path,
    described,
    integer_text,
    integers,
    refused,
    require_callable,
    require_flags,
    require_integer,
    require_kind,
    require_number,
)

__all__ = [
    "as_path",
    "channels_are_last",
    "described",
    "integer_text",
    "integers",
    "refused",
    "require_callable",
    "require_flags",
    "require_integer",
    "require_kind",
    "require_number",
]

_MOST_CHANNELS_OF_PICTURES = 4


def channels_are_last(shape: Sequence[int]) -> bool:
    """True for a shape [a, b, c] that is a picture's [H, W, I]: c is a number of channels, a and b are sizes."""
    return shape[2] <= _MOST_CHANNELS_OF_PICTURES < min(shape[0], shape[1])
