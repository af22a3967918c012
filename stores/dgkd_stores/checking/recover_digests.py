"""Recovers damaged digests from the rows, which the seal must confirm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.digests import array_digest, differing_blocks
from dgkd_stores.format.limits import MAX_TRIAL_BYTES, MAX_TRIALS

__all__ = ["prove_digests"]


def prove_digests(
    stored_VB32: NDArray[np.uint8], computed_VB32: NDArray[np.uint8], known_VB: NDArray[np.bool_], sealed: str
) -> NDArray[np.uint8] | None:
    """Returns the digests of SHA-256 `sealed`: the stored ones, partly replaced by those of the rows; None if none
    match.

    `known_VB` are the blocks whose rows could be read. Rows may be damaged as well as digests, so the replacements
    tried are: all that differ, those of all views but one, of one view, and of one block.
    """
    differing_VB = known_VB & differing_blocks(stored_VB32, computed_VB32)
    trials = min(MAX_TRIALS, max(2, MAX_TRIAL_BYTES // max(1, stored_VB32.nbytes)))
    for replaced_VB, _ in zip(_choices(differing_VB), range(trials), strict=False):
        # Tried in place, because digests may take gigabytes.
        kept = stored_VB32[replaced_VB]
        stored_VB32[replaced_VB] = computed_VB32[replaced_VB]
        try:
            if array_digest(stored_VB32) == sealed:
                return stored_VB32.copy()
        finally:
            stored_VB32[replaced_VB] = kept
    return None


def _choices(differing_VB: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    yield differing_VB
    views = np.flatnonzero(differing_VB.any(axis=1)).tolist()
    for inside in (False, True):
        for view in views:
            chosen_VB = np.zeros_like(differing_VB) if inside else differing_VB.copy()
            chosen_VB[view] = differing_VB[view] if inside else False
            yield chosen_VB
    for view, block in np.argwhere(differing_VB).tolist():
        chosen_VB = np.zeros_like(differing_VB)
        chosen_VB[view, block] = True
        yield chosen_VB
