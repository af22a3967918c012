"""Rows that will be read soon: the system is told, and reads their files while others compute. A hint, and no more."""

from __future__ import annotations

import contextlib
import os

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.codecs import RAW
from dgkd_stores.containers import Container
from dgkd_stores.disk.files import plain_file

__all__ = ["ReadAhead"]

_STRETCH_BYTES = 2**20  # of a view's rows: what one call asks for
_REMEMBERED = 2**14


class ReadAhead:
    """Asks for each stretch of rows once in a while, however often it is named."""

    def __init__(self, container: Container) -> None:
        self._container, self._layout = container, container.layout
        raw = self._layout.codec is RAW
        rows = max(1, _STRETCH_BYTES // container.header.row_bytes) if raw else self._layout.chunk_rows
        self._stretch_rows = min(rows, self._layout.chunk_rows)
        self._asked: set[tuple[int, int, int]] = set()

    def expect(self, view_B: NDArray[np.int64], sample_B: NDArray[np.int64]) -> None:
        """These rows will be read; views are counted from 0. Whatever goes wrong shows when they are."""
        part_B, row_B = np.divmod(sample_B, self._layout.chunk_rows)
        stretches = np.unique(np.stack([view_B, part_B, row_B // self._stretch_rows]), axis=1)
        if len(self._asked) > _REMEMBERED:
            self._asked.clear()
        for stretch in set(zip(*stretches.tolist(), strict=True)) - self._asked:
            self._asked.add(stretch)
            with contextlib.suppress(OSError, ValueError):
                self._ask(*stretch)

    def _ask(self, view: int, part: int, stretch: int) -> None:
        for array in self._layout.rows.values():
            place = self._container.place(array, (view, part, 0))
            offset, nbytes = place.offset, place.nbytes or 0  # 0: to the end of the file
            if self._layout.codec is RAW:
                row_bytes = array.shape[2] * array.numpy_dtype.itemsize
                offset, nbytes = offset + stretch * self._stretch_rows * row_bytes, self._stretch_rows * row_bytes
            with plain_file(place.path) as (handle, _):
                os.posix_fadvise(handle, offset, nbytes, os.POSIX_FADV_WILLNEED)
