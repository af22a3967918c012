"""The (view, sample) pairs of a batch, checked and located once for all stores with equal chunks.

Measured with 128 rows: checking takes 2 us, about as long as gathering them from one store.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgkd_stores.containers import Container
from dgkd_stores.errors import InvalidInput

__all__ = ["Placed", "RowIndex"]

IntArray = NDArray[np.int64]
_UNSIGNED = np.dtype(np.uint64)


class Placed:
    """Each row's chunk, counted over the store, and its row in the chunk."""

    def __init__(self, chunk_B: IntArray, row_B: IntArray) -> None:
        self.chunk_B, self.row_B = chunk_B, row_B
        self._bytes_B: dict[tuple[int, int], IntArray] = {}

    def halves(self) -> tuple[Placed, Placed]:
        """Returns the first half of the rows, and the rest."""
        half = len(self.chunk_B) // 2
        return Placed(self.chunk_B[:half], self.row_B[:half]), Placed(self.chunk_B[half:], self.row_B[half:])

    def byte_B(self, slot_bytes: int, row_bytes: int) -> IntArray:
        """Returns the byte at which each row begins, with `slot_bytes` from one chunk to the next."""
        byte_B = self._bytes_B.get((slot_bytes, row_bytes))
        if byte_B is None:
            byte_B = self._bytes_B[slot_bytes, row_bytes] = self.chunk_B * slot_bytes + self.row_B * row_bytes
        return byte_B


class RowIndex:
    """Rows to gather: copies of `views_B` and `samples_B`. Raises InvalidInput unless they are as many integers."""

    views_B: IntArray
    """int64 (B,): the view of each row."""
    samples_B: IntArray
    """int64 (B,): the sample of each row."""

    def __init__(self, views_B: ArrayLike, samples_B: ArrayLike) -> None:
        # Copies, because derived values are cached: rows of an array that changed later might not be mapped.
        self.views_B, self.samples_B = _integers(views_B), _integers(samples_B)
        if self.views_B.shape != self.samples_B.shape or self.views_B.ndim != 1:
            found = f"{self.views_B.shape} {self.samples_B.shape}"
            raise InvalidInput("rows to gather", expected="as many views as samples", found=found)
        self._within: dict[tuple[range, int], tuple[IntArray, IntArray]] = {}
        self._placed: dict[tuple[range, int, int], Placed] = {}

    def within(self, store: Container) -> tuple[IntArray, IntArray]:
        """Returns the places of the views, and the samples; raises InvalidInput for any outside the store."""
        header = store.header
        views, samples = key = header.view_range, header.dataset.samples
        found = self._within.get(key)
        if found is None:
            found = header.place_of(self.views_B), self.samples_B
            what = (("views", views, self.views_B, found[0]), ("samples", range(samples), self.samples_B, found[1]))
            for name, held, given, indices in what:
                # One comparison for both ends (unsigned, negative numbers are very large); counting is faster than
                # any().
                if np.count_nonzero(np.greater_equal(indices.view(_UNSIGNED), _unsigned(len(held)))):
                    raise InvalidInput(
                        f"{name} that {store.path} does not hold",
                        expected=f"{held.start} to {held.stop - 1}",
                        found=f"{given.min()} to {given.max()}",
                    )
            self._within[key] = found
        return found

    def placed(self, store: Container, chunk_rows: int) -> Placed:
        """Returns the places of the rows in a store with chunks of `chunk_rows`. Raises as `within`."""
        header, samples = store.header, store.header.dataset.samples
        key = (header.view_range, samples, chunk_rows)
        placed = self._placed.get(key)
        if placed is None:
            chunk_B, row_B = self.within(store)
            if samples > chunk_rows:
                part_B, row_B = np.divmod(row_B, chunk_rows)
                chunk_B = chunk_B * -(-samples // chunk_rows) + part_B
            placed = self._placed[key] = Placed(chunk_B, row_B)
        return placed


def _integers(values: ArrayLike) -> IntArray:
    try:
        given = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # lists of several lengths, a tensor with a gradient
        raise InvalidInput("rows to gather", expected="integers", found=str(error)[:200]) from error
    if given.dtype.kind not in "iu" and given.size:
        raise InvalidInput("rows to gather", expected="integers", found=f"{given.dtype}")
    return given.astype(np.int64)


@cache
def _unsigned(count: int) -> NDArray[np.uint64]:
    """Returns a cached numpy integer: a Python integer would be converted at each comparison."""
    return np.array(count, _UNSIGNED)
