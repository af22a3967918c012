"""Which digests were sealed, where the stored ones are not: those that the rows have, for the seal to decide."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .digests import array_digest, differing_blocks

__all__ = ["prove_digests"]

Place = tuple[int, NDArray[np.intp]]
"""A view, and some of its blocks."""

TRIED_BYTES = 2**30
"""Hashed at most in search of the damaged ones."""


def prove_digests(
    stored_VB32: NDArray[np.uint8], computed_VB32: NDArray[np.uint8], known_VB: NDArray[np.bool_], sealed: str
) -> NDArray[np.uint8] | None:
    """The digests of SHA-256 `sealed`: the stored ones, some of them replaced by those of the rows; None if none fit.

    `known_VB` are the blocks whose rows could be read. Where rows are damaged beside digests, each choice of views, or
    of blocks where there are few, is tried as far as `TRIED_BYTES` go.
    """
    differing_VB = known_VB & differing_blocks(stored_VB32, computed_VB32)
    blocks = [(view, np.flatnonzero(differing_VB[view])) for view in np.flatnonzero(differing_VB.any(axis=1)).tolist()]
    single = [(view, block) for view, blocks_B in blocks for block in blocks_B.reshape(-1, 1)]
    trials = max(2, TRIED_BYTES // max(1, stored_VB32.nbytes))
    for places in (blocks, single):
        # Much is lost at once, or little: next to all digests are the damaged ones, or next to none.
        sizes = sorted(range(1, len(places) + 1), key=lambda size: min(len(places) - size, size))
        choices = (chosen for size in sizes for chosen in itertools.combinations(places, size))
        for chosen in itertools.islice(choices, trials):
            if (found := _fitting(stored_VB32, computed_VB32, chosen, sealed)) is not None:
                return found
    return None


def _fitting(
    stored_VB32: NDArray[np.uint8], computed_VB32: NDArray[np.uint8], chosen: Iterable[Place], sealed: str
) -> NDArray[np.uint8] | None:
    """A copy with the chosen digests replaced, if it fits; tried in place, because there may be gigabytes of it."""
    kept = [(view, blocks_B, stored_VB32[view, blocks_B]) for view, blocks_B in chosen]
    try:
        for view, blocks_B, _ in kept:
            stored_VB32[view, blocks_B] = computed_VB32[view, blocks_B]
        return stored_VB32.copy() if array_digest(stored_VB32) == sealed else None
    finally:
        for view, blocks_B, before in kept:
            stored_VB32[view, blocks_B] = before
