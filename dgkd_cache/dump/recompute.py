"""Rows of a finished store beside what its guide gives now: finds rows that were altered under a new, valid seal.

A seal tells that a store is whole, not who made it. The batches that are forwarded are those of the dump, because
logits change in their last bits with the batch that they are in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.device.environment import TOLERANCES
from dgkd_cache.dump.header import StoreDraft
from dgkd_cache.progress import Progress
from dgkd_cache.randomness.philox import integer_below, philox_at
from dgkd_stores import ChunkSlot, Encoding, GuideStore, check_same_header

__all__ = ["Comparison", "compare_rows", "compute_again", "draw_batches"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result: rows compared, those that differ, and the first of them as (view, sample).

    `exact` says that this machine computes as the one of the dump, so that every bit had to agree; `largest` is the
    largest difference of a stored logit to a computed one, that of the encoding included.
    """

    rows: int
    batches: int
    exact: bool
    differing: int
    first: tuple[int, int] | None
    largest: float


def draw_batches(store: GuideStore, rows: int) -> list[ChunkSlot]:
    """The batches of the dump that hold `rows` rows, drawn from all views and samples; in order, each once.

    The words are Philox4x64-10 under the first 16 bytes of SHA-256("dgkd-recompute" ‖ seal ‖ rows in decimal). Draw i
    takes word 2i for the view and word 2i + 1 for the sample, and a row may come twice. So the same command draws the
    same rows, and another number draws others. From as many rows as the store has on, it is all of them.
    """
    header, views = store.header, store.views
    samples, batch = header.dataset.samples, int(str(header.compute["batch"]))
    if rows >= len(views) * samples:
        places = {(view, start) for view in views for start in range(0, samples, batch)}
    else:
        key = hashlib.sha256(f"dgkd-recompute{store.seal}{rows}".encode()).digest()[:16]
        words = philox_at(key, 0, -(-2 * rows // 4))[: 2 * rows]
        view_R = header.view_at(integer_below(words[0::2], len(views)))
        start_R = integer_below(words[1::2], samples) // batch * batch
        places = set(zip(view_R.tolist(), start_R.tolist(), strict=True))
    return [ChunkSlot(view, start, min(start + batch, samples)) for view, start in sorted(places)]


def compute_again(
    draft: StoreDraft, store: GuideStore, slots: Sequence[ChunkSlot], *, progress: Progress, stop: Callable[[], bool]
) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
    """Yields rows of a finished store as the guide computes them now, softened and condensed; writes nothing.

    Raises Mismatch where the store's header says something else than the draft but for what was measured and where.
    """
    like = replace(draft.like(store.header), compute=store.header.compute)
    check_same_header(store.path, stored=store.header, given=like)
    yield from draft.rows(slots, "recompute", "recomputation", progress, stop)


def compare_rows(
    store: GuideStore, computed: Iterable[tuple[ChunkSlot, NDArray[np.float32]]], *, held_as: Encoding, exact: bool
) -> Comparison:
    """The stored rows of each batch beside those `computed`: softened, and condensed by `held_as`, float32 (B, F).

    Where `exact`, the stored bits must be those that encoding the computed rows gives. Else a row may differ by
    TOLERANCES of its largest logit, and by twice what encoding the computed batch changes. Raises Damaged where
    stored rows do not fit their digest.
    """
    encoding = store.encoding
    tolerance = TOLERANCES.get(str(store.header.compute.get("precision")), TOLERANCES["float32"])
    rows = batches = differing = 0
    first, largest = None, 0.0
    for slot, rows_BF in computed:
        expected_BX = held_as.comparable(rows_BF)
        sample_B = np.arange(slot.start, slot.stop)
        stored = store.gather_stored(np.full(len(sample_B), slot.view), sample_B)
        encoded = held_as.encode_condensed(rows_BF)
        away_BX = np.abs(encoding.comparable(encoding.condensed(stored)) - expected_BX)
        if exact:
            differs_B = np.any([_bits(stored[name]) != _bits(encoded[name]) for name in encoded], axis=0)
        else:
            lost = np.abs(held_as.comparable(held_as.condensed(encoded)) - expected_BX).max()
            allowed_B = 2 * lost + tolerance * np.abs(expected_BX).max(axis=1)
            differs_B = ~(away_BX.max(axis=1) <= allowed_B)  # what is no number differs, too
        if first is None and differs_B.any():
            first = slot.view, int(sample_B[differs_B.argmax()])
        rows, batches, differing = rows + len(sample_B), batches + 1, differing + int(differs_B.sum())
        largest = max(largest, float(away_BX.max()))
    return Comparison(rows=rows, batches=batches, exact=exact, differing=differing, first=first, largest=largest)


def _bits(array_BX: NDArray[np.generic]) -> NDArray[np.void]:
    """Each row as one value that is equal where all its bytes are."""
    contiguous = np.ascontiguousarray(array_BX)
    return contiguous.view(np.dtype((np.void, contiguous.dtype.itemsize * contiguous.shape[1]))).reshape(-1)
