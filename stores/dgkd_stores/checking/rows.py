"""Checks the rows of one chunk in order, a few megabytes at a time: their digests, and what is wrong."""

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

__all__ = ["ChunkCheck", "ChunkRows", "RowsCheck", "check_chunk", "open_rows"]

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
    arrays, size = held.layout.rows.values(), held.layout.chunk_rows
    check, rows = RowsCheck(held, part), open_rows(held, view, part)
    step = max(1, PIECE_BYTES // held.header.row_bytes)
    for first in range(0, size, step):
        last = min(first + step, size)
        advance(check.add({array.name: rows(array, first, last) for array in arrays}))
    return check.result()


class RowsCheck:
    """The check of chunk `part` of a view, whose rows are given in order, as many at a time as there are."""

    def __init__(self, held: Container, part: int) -> None:
        header, layout = held.header, held.layout
        self._arrays, self._encoding, self._digest_rows = layout.rows, header.row_encoding, header.digest_rows
        self._count = min(layout.chunk_rows, header.dataset.samples - part * layout.chunk_rows)
        self._at, self._hashed = 0, hashlib.sha256()
        self._digests, self._finite = list[bytes](), [True]
        self._padded = dict.fromkeys(layout.rows, True)

    def add(self, rows: Mapping[str, NDArray[Any]]) -> int:
        """Takes the next rows [S, columns] of every array; returns the number of bytes without the padding."""
        given = len(next(iter(rows.values())))
        inside = max(0, min(given, self._count - self._at))
        hashed = self._hash({name: rows[name][:inside] for name in self._arrays}, inside) if inside else 0
        if inside < given:
            for name, array in self._arrays.items():
                self._padded[name] &= _is_fill(array, rows[name][inside:])
        self._at += given - inside
        return hashed

    def result(self) -> ChunkCheck:
        """Returns what was found, once all rows were given."""
        return ChunkCheck(
            digests=np.frombuffer(b"".join(self._digests), dtype=np.uint8).reshape(-1, 32),
            finite=np.array(self._finite[:-1]),
            padded=tuple(self._padded.values()),
        )

    def _hash(self, rows: Mapping[str, NDArray[Any]], count: int) -> int:
        bytes_SB = records(list(rows.values()))
        first, last, all_finite = self._at, self._at + count, self._encoding.finite(rows)
        while self._at < last:
            stop = min((self._at // self._digest_rows + 1) * self._digest_rows, last)
            block = slice(self._at - first, stop - first)
            self._hashed.update(bytes_SB[block].data)
            self._finite[-1] &= all_finite or self._encoding.finite({name: rows[name][block] for name in rows})
            if stop % self._digest_rows == 0 or stop == self._count:
                self._digests.append(self._hashed.digest())
                self._finite.append(True)
                self._hashed = hashlib.sha256()
            self._at = stop
        return bytes_SB.nbytes


def _is_fill(array: ArrayLayout, found: NDArray[Any]) -> bool:
    return found.tobytes() == np.full(found.shape, array.fill_value, dtype=array.numpy_dtype).tobytes()
