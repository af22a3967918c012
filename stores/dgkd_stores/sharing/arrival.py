"""Proves files while they arrive: their bytes are hashed once, from memory, and are not read again from disk.

Bytes are given in order, to the `Arrival` of a file. What an earlier pull has left of the file is given first.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.checking.rows import ChunkCheck, RowsCheck
from dgkd_stores.containers import Container
from dgkd_stores.disk.files import pieces
from dgkd_stores.format.layout import ArrayLayout, StoreLayout

__all__ = ["Arrival", "Content", "Hashed", "RowsArrival", "narrow_first"]

PIECE_BYTES = 2**18
"""Bytes of rows that are checked at a time, while they are in the processor's cache; a single row may be larger."""


class Arrival(ABC):
    """The use that is made of the bytes of one file."""

    @abstractmethod
    def begin(self) -> None:
        """Forgets all bytes: the file is begun, or begun anew."""

    @abstractmethod
    def take(self, data: memoryview) -> None:
        """Takes the next bytes; those beyond the file's size are ignored, because another object is fetched then."""

    def read(self, handle: int, size: int) -> None:
        """Takes the first `size` bytes of an open file."""
        self.begin()
        for piece in pieces(handle, 0, size):
            self.take(piece)


class Hashed(Arrival):
    """Hashes a file."""

    def __init__(self) -> None:
        self.begin()

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return self._hash.hexdigest()

    def begin(self) -> None:
        self._hash = hashlib.sha256()

    def take(self, data: memoryview) -> None:
        self._hash.update(data)


class Content(Arrival):
    """Keeps a file in memory, in the bytes `into`."""

    def __init__(self, into: NDArray[np.uint8]) -> None:
        self._into = into
        self.begin()

    def begin(self) -> None:
        self._left = self._into.data

    def take(self, data: memoryview) -> None:
        self._left = _put(data, self._left)[1]


class RowsArrival:
    """The check of chunk `part` of a view, uncompressed, whose files arrive in the order of `narrow_first`.

    Rows are checked as those of the widest array arrive, which comes last; the others are kept in memory until then.
    """

    def __init__(self, held: Container, part: int) -> None:
        *narrow, widest = narrow_first(held.layout)
        raw = {array.name: np.empty(array.chunk_bytes, np.uint8) for array in narrow}
        beside = {array.name: raw[array.name].view(array.numpy_dtype).reshape(array.chunks[1:]) for array in narrow}
        self._last = _LastRows(held, part, widest, beside)
        self.files: dict[str, Arrival] = {name: Content(into) for name, into in raw.items()}
        self.files[widest.name] = self._last
        """The receiver of the file of each row array, by its name."""

    def result(self) -> ChunkCheck:
        """Returns the result of the check, once all files were taken."""
        return self._last.result()


class _LastRows(Arrival):
    """Checks the rows of `array`, with those of the others, which are there."""

    def __init__(
        self, held: Container, part: int, array: ArrayLayout, beside: Mapping[str, NDArray[np.generic]]
    ) -> None:
        self._held, self._part, self._array, self._beside = held, part, array, beside
        rows, digest_rows = max(1, PIECE_BYTES // array.row_bytes), held.header.digest_rows
        # Whole blocks, where there is one: a piece that ends within a block has it hashed in two parts.
        self._piece = np.empty((rows // digest_rows * digest_rows or rows) * array.row_bytes, np.uint8)
        self.begin()

    def begin(self) -> None:
        self._check = RowsCheck(self._held, self._part)
        self._row, self._left, self._free = 0, self._array.chunk_bytes, self._piece.data

    def take(self, data: memoryview) -> None:
        data = data[: self._left]
        self._left -= len(data)
        while len(data):
            data, self._free = _put(data, self._free)
            if not self._free or not self._left:
                self._add()

    def result(self) -> ChunkCheck:
        return self._check.result()

    def _add(self) -> None:
        filled = self._piece[: self._piece.size - len(self._free)]
        rows = filled.view(self._array.numpy_dtype).reshape(-1, self._array.chunks[2])
        stop = self._row + len(rows)
        beside = {name: others[self._row : stop] for name, others in self._beside.items()}
        self._check.add({**beside, self._array.name: rows})
        self._row, self._free = stop, self._piece.data


def narrow_first(layout: StoreLayout) -> list[ArrayLayout]:
    """Lists the row arrays in the order in which `RowsArrival` wants their files."""
    return sorted(layout.rows.values(), key=lambda array: array.row_bytes)


def _put(data: memoryview, into: memoryview) -> tuple[memoryview, memoryview]:
    """Copies as many bytes as fit; returns those that do not, and the space that is left."""
    count = min(len(data), len(into))
    into[:count] = data[:count]
    return data[count:], into[count:]
