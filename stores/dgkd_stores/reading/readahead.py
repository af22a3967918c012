"""Asks the system to read files of rows that will be needed soon. This is only a hint."""

from __future__ import annotations

import contextlib
import os

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.codecs import RAW
from dgkd_stores.containers import Container
from dgkd_stores.disk.files import plain_file

__all__ = ["ReadAhead"]

STRETCH_BYTES = 2**20  # bytes of a view's rows in one call
_REMEMBERED = 2**14


class ReadAhead:
    """Requests each range of rows at intervals, however often it is announced."""

    def __init__(self, container: Container) -> None:
        self._container, self._layout = container, container.layout
        raw = self._layout.codec is RAW
        rows = max(1, STRETCH_BYTES // container.header.row_bytes) if raw else self._layout.chunk_rows
        self._stretch_rows = min(rows, self._layout.chunk_rows)
        self._per_chunk = -(-self._layout.chunk_rows // self._stretch_rows)
        chunks = container.header.views * self._layout.chunks_per_view
        self._asked = np.zeros(chunks * self._per_chunk, np.bool_)
        """For every range of the store, whether it was requested."""

    def expect(self, view_B: NDArray[np.int64], sample_B: NDArray[np.int64]) -> None:
        """Requests rows that will be read; views are counted from 0. Errors appear only when they are read."""
        part_B, row_B = np.divmod(sample_B, self._layout.chunk_rows)
        chunk_B = view_B * self._layout.chunks_per_view + part_B
        stretch_B = chunk_B * self._per_chunk + row_B // self._stretch_rows
        new = np.unique(stretch_B[~self._asked[stretch_B]])
        if len(new) and np.count_nonzero(self._asked) > _REMEMBERED:
            self._asked[:] = False
        self._asked[new] = True
        for number in new.tolist():
            chunk, stretch = divmod(number, self._per_chunk)
            view, part = divmod(chunk, self._layout.chunks_per_view)
            with contextlib.suppress(OSError, ValueError):
                self._ask(view, part, stretch)

    def _ask(self, view: int, part: int, stretch: int) -> None:
        for array in self._layout.rows.values():
            place = self._container.place(array, (view, part, 0))
            offset, nbytes = place.offset, place.nbytes or 0  # 0: to the end of the file
            if self._layout.codec is RAW:
                nbytes = self._stretch_rows * array.row_bytes
                offset += stretch * nbytes
            with plain_file(place.path) as (handle, _):
                os.posix_fadvise(handle, offset, nbytes, os.POSIX_FADV_WILLNEED)
