"""Reads rows of compressed chunks, which a thread decodes one chunk ahead and checks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.containers import Container
from dgkd_stores.errors import Damaged
from dgkd_stores.reading.chunk_cache import MAX_DECODED_BYTES, Chunk, DecodedChunks
from dgkd_stores.reading.proof import BlockProof
from dgkd_stores.reading.row_index import Placed

__all__ = ["DECODED", "DecodedRows"]

DECODED = DecodedChunks(MAX_DECODED_BYTES)
"""The decoded chunks of all stores of this process."""

_STORE_NUMBERS = itertools.count()


class DecodedRows:
    """The rows of one store whose chunks are compressed. Thread-safe."""

    def __init__(self, container: Container, proof: BlockProof) -> None:
        self._container, self._layout, self._proof = container, container.layout, proof
        self._digest_rows, self._samples = container.header.digest_rows, container.header.dataset.samples
        self._chunks = container.header.views * self._layout.chunks_per_view
        self._number = next(_STORE_NUMBERS)
        self.rows_each = self._layout.chunk_rows
        """Rows are located by chunks of this size."""

    def gather(self, placed: Placed) -> dict[str, NDArray[Any]]:
        """Returns the stored rows [B, columns] of each array; they must be written."""
        chunk_B, row_B = placed.chunk_B, placed.row_B
        if chunk_B.size and (chunk_B == chunk_B[0]).all():
            chunk = self._proven_chunk(int(chunk_B[0]), row_B)
            return {name: rows.take(row_B, axis=0) for name, rows in chunk.arrays.items()}
        order_B = np.argsort(chunk_B, kind="stable")
        chunk_B, row_B = chunk_B[order_B], row_B[order_B]
        sorted_rows = {
            name: np.empty((len(order_B), array.shape[2]), dtype=array.numpy_dtype)
            for name, array in self._layout.rows.items()
        }
        edges = np.flatnonzero(np.diff(chunk_B, prepend=-1, append=-1)).tolist()
        for start, stop in itertools.pairwise(edges):
            inside_B = row_B[start:stop]
            for name, rows in self._proven_chunk(int(chunk_B[start]), inside_B).arrays.items():
                # take into a slice, in mode clip (bounds are checked), is 3x faster here than two fancy indices.
                rows.take(inside_B, axis=0, out=sorted_rows[name][start:stop], mode="clip")
        taken = {name: np.empty_like(rows) for name, rows in sorted_rows.items()}
        for name, rows in sorted_rows.items():
            taken[name][order_B] = rows
        return taken

    def close(self) -> None:
        """Frees all decoded chunks."""
        DECODED.drop(self._number)

    def _proven_chunk(self, number: int, row_B: NDArray[np.int64]) -> Chunk:
        """Returns a decoded chunk, with the given rows checked."""
        following = (number + self._layout.chunks_per_view) % self._chunks
        chunk = DECODED.get((self._number, number), self._decode, following=following)
        if not chunk.proven.all():
            block_B = row_B // self._digest_rows
            for block in np.unique(block_B[~chunk.proven[block_B]]).tolist():
                self._check(number, block, chunk.arrays)
        return chunk

    def _decode(self, number: int) -> Chunk:
        """Decodes a chunk and checks its written rows, on another thread to save time in `gather`."""
        view, part = divmod(number, self._layout.chunks_per_view)
        arrays = {name: self._container.chunk(array, (view, part, 0))[0] for name, array in self._layout.rows.items()}
        rows = min(self._layout.chunk_rows, self._samples - part * self._layout.chunk_rows)
        proven = np.ones(-(-rows // self._digest_rows), dtype=np.bool_)
        for block in range(len(proven)):
            try:
                self._check(number, block, arrays)
            except Damaged:
                proven[block] = False
        return Chunk(arrays=arrays, proven=proven)

    def _check(self, number: int, block: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Checks a block of a chunk, counted from the chunk's first."""
        view, part = divmod(number, self._layout.chunks_per_view)
        first, before = part * self._layout.chunk_rows, block * self._digest_rows
        rows = self._proof.rows((first + before) // self._digest_rows)
        inside = slice(before, before + len(rows))
        self._proof.check(view, rows.start // self._digest_rows, {name: all_[inside] for name, all_ in arrays.items()})
