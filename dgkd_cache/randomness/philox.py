"""Philox4x64-10 words by counter: the only source of randomness in this project.

A word depends on (key, counter) and on nothing else. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", SC 2011; the published Random123 known-answer vectors pin it in the tests. Only numpy's raw 64-bit words are used:
numpy guarantees the streams of its bit generators, not those of `Generator` methods.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["WORDS_PER_BLOCK", "Domain", "integer_below", "permutation", "philox_at", "philox_words", "unit_double"]

WORDS_PER_BLOCK = 4

UInt64Array = npt.NDArray[np.uint64]


class Domain(IntEnum):
    """Purposes of random words, which share no counter: below 16 with a view plan's key, from 16 on with a run's."""

    PARAMETERS = 0
    PROBE = 1
    PROBE_SIGNS = 2
    ORDER = 16
    SCHEDULE = 17
    DROPPING = 18
    WEIGHTS = 19
    VALIDATION = 20
    BLOCKS = 21
    CONTROL = 22


def philox_at(key16: bytes, counter: int, blocks: int) -> UInt64Array:
    """Returns the `blocks * 4` words of `blocks` consecutive 256-bit counters, the first of them `counter`.

    The key is two 64-bit words, little-endian; the counter's lowest 64 bits are its word 0.
    """
    assert len(key16) == 16 and blocks >= 0
    # numpy increments the counter before it makes a block, so it starts one before the first block.
    before = (counter - 1) % 2**256
    generator = np.random.Philox(
        key=np.frombuffer(key16, dtype="<u8").astype(np.uint64),
        counter=np.frombuffer(before.to_bytes(32, "little"), dtype="<u8").astype(np.uint64),
    )
    return np.asarray(generator.random_raw(blocks * WORDS_PER_BLOCK), dtype=np.uint64)


def philox_words(key16: bytes, *, view: int, domain: int, first_block: int, blocks: int) -> UInt64Array:
    """Returns the words of blocks [first_block, first_block + blocks) at counter (block, view, domain, 0)."""
    assert 0 <= first_block and first_block + blocks < 2**64 and 0 <= view < 2**64 and 0 <= domain < 2**64
    return philox_at(key16, first_block + (view << 64) + (domain << 128), blocks)


def permutation(key16: bytes, count: int, *, view: int, domain: int) -> npt.NDArray[np.int64]:
    """Returns the numbers [0, count) in random order: the stable argsort of the first `count` words."""
    blocks = -(-count // WORDS_PER_BLOCK)
    words_N = philox_words(key16, view=view, domain=domain, first_block=0, blocks=blocks)[:count]
    return np.argsort(words_N, kind="stable")


def integer_below(words: UInt64Array, n: int) -> npt.NDArray[np.int64]:
    """Returns integers in [0, n) from the upper half of each word: ((w >> 32) * n) >> 32, for n up to 2^32."""
    assert 1 <= n <= 2**32
    return (((words >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)).astype(np.int64)


def unit_double(words: UInt64Array) -> npt.NDArray[np.float64]:
    """Returns doubles in [0, 1) from the upper 53 bits of each word: (w >> 11) * 2^-53, exact."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
