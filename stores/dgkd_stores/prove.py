"""Which digests were sealed, where the stored ones are not: those that the rows have, for the seal to decide."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from .digests import array_digest

__all__ = ["prove_digests"]

TRIED_BYTES = 2**30
"""Hashed at most in search of the damaged ones."""


def prove_digests(
    stored_VB32: NDArray[np.uint8], computed_VB32: NDArray[np.uint8], known_VB: NDArray[np.bool_], sealed: str
) -> NDArray[np.uint8] | None:
    """The digests of SHA-256 `sealed`: the stored ones, some of them replaced by those of the rows; None if none fit.

    `known_VB` are the blocks whose rows could be read. Where rows are damaged beside digests, each choice of views, or
    of blocks where there are few, is tried as far as `TRIED_BYTES` go.
    """
    differing_VB = known_VB & (stored_VB32 != computed_VB32).any(axis=2)
    blocks = np.argwhere(differing_VB)
    views = np.flatnonzero(differing_VB.any(axis=1))
    trials = max(2, TRIED_BYTES // max(1, stored_VB32.nbytes))
    for places in ([(view, ...) for view in views.tolist()], [tuple(block) for block in blocks.tolist()]):
        # Much is lost at once, or little: next to all digests are the damaged ones, or next to none.
        sizes = sorted(range(1, len(places) + 1), key=lambda size: min(len(places) - size, size))
        choices = (chosen for size in sizes for chosen in itertools.combinations(places, size))
        for chosen in itertools.islice(choices, trials):
            mended_VB32 = stored_VB32.copy()
            for place in chosen:
                mask_B = differing_VB[place]
                mended_VB32[place] = np.where(mask_B[..., None], computed_VB32[place], stored_VB32[place])
            if array_digest(mended_VB32) == sealed:
                return mended_VB32
    return None
