"""Reads the rows of one chunk sequentially, a few megabytes at a time: their digests, and what is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.codecs import RAW
from dgkd_stores.coding.digests import records
from dgkd_stores.containers import Container
from dgkd_stores.disk.files import read_file
from dgkd_stores.format.layout import ArrayLayout

__all__ = ["ChunkCheck", "ChunkRows", "check_chunk", "open_rows"]

PIECE_BYTES = 4 * 2**20
"""Bytes read at a time from an uncompressed chunk; a single row may be larger."""


@dataclass(frozen=True, kw_only=True)
class ChunkCheck:
    """The result of checking a chunk."""

    digests: NDArray[np.uint8]
    """[blocks, 32]."""
    finite: NDArray[np.bool_]
    """[blocks]: all numbers of the block are finite."""
    padded: tuple[bool, ...]
    """For each array, whether the chunk's padding is the fill value only."""


@dataclass(frozen=True, kw_only=True)
class ChunkRows:
    """The rows of a chunk that is open: read from its file, or from `decoded` if it was compressed."""

    held: Container
    position: tuple[int, int, int]
    decoded: Mapping[str, NDArray[Any]]

    def __call__(self, array: ArrayLayout, start: int, stop: int) -> NDArray[Any]:
        """Returns rows [S, columns] from `start` to `stop` - 1 of an array; beyond the view they are padding."""
        if array.name in self.decoded:
            return self.decoded[array.name][start:stop]
        place = self.held.place(array, self.position)
        stored = read_file(place.path, place.offset + start * array.row_bytes, (stop - start) * array.row_bytes)
        found: NDArray[Any] = stored.view(array.numpy_dtype)
        return found.reshape(stop - start, -1)


def open_rows(held: Container, view: int, part: int) -> ChunkRows:
    """Opens chunk `part` of a view, counted from 0; a compressed one is decoded here, as a whole.

    Raises, here or on access, Damaged if it cannot be decoded, ValueError for a truncated file, OSError.
    """
    position = (view, part, 0)
    decoded = {
        name: held.chunk(array, position)[0]
        for name, array in held.layout.rows.items()
        if held.place(array, position).codec is not RAW
    }
    return ChunkRows(held=held, position=position, decoded=decoded)


def check_chunk(held: Container, view: int, part: int, *, advance: Callable[[int], None]) -> ChunkCheck:
    """Checks one chunk; `advance` gets numbers of bytes. Raises as `open_rows`."""
    layout, header = held.layout, held.header
    arrays, held_as = list(layout.rows.values()), header.row_encoding
    count = min(layout.chunk_rows, header.dataset.samples - part * layout.chunk_rows)
    rows, step = open_rows(held, view, part), max(1, PIECE_BYTES // header.row_bytes)
    digests, finite, hashed = [], [True], hashlib.sha256()
    for first in range(0, count, step):
        last = min(first + step, count)
        piece = {array.name: rows(array, first, last) for array in arrays}
        bytes_SB = records(list(piece.values()))
        at, all_finite = first, held_as.finite(piece)
        while at < last:
            stop = min((at // header.digest_rows + 1) * header.digest_rows, last)
            block = slice(at - first, stop - first)
            hashed.update(bytes_SB[block].data)
            finite[-1] &= all_finite or held_as.finite({name: rows_SC[block] for name, rows_SC in piece.items()})
            if stop % header.digest_rows == 0 or stop == count:
                digests.append(hashed.digest())
                finite.append(True)
                hashed = hashlib.sha256()
            at = stop
        advance(bytes_SB.nbytes)
    return ChunkCheck(
        digests=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32),
        finite=np.array(finite[:-1]),
        padded=tuple(_has_fill_only(array, rows, count, step) for array in arrays),
    )


def _has_fill_only(array: ArrayLayout, rows: ChunkRows, count: int, step: int) -> bool:
    size = array.chunks[1]
    for first in range(count, size, step):
        found = rows(array, first, min(first + step, size))
        if found.tobytes() != np.full(found.shape, array.fill_value, dtype=array.numpy_dtype).tobytes():
            return False
    return True
