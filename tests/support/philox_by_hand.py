"""Philox4x64-10 in Python's integers, from the paper's description (Salmon et al., SC 2011), for tests of masks."""

from __future__ import annotations

__all__ = ["philox_block"]

_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_WORD = 2**64


def philox_block(key: tuple[int, int], counter: tuple[int, int, int, int]) -> list[int]:
    """Returns the four 64-bit words of one counter, lowest word first."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(_MULTIPLIERS[0] * x0, _WORD)
        high1, low1 = divmod(_MULTIPLIERS[1] * x2, _WORD)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = (k0 + _WEYL[0]) % _WORD, (k1 + _WEYL[1]) % _WORD
    return [x0, x1, x2, x3]
