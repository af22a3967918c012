"""Caches the parameters of (view, sample) pairs: a table for each view in use, within a byte bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.plan import ViewPlan

__all__ = ["TABLE_BYTES", "ParameterTables"]

TABLE_BYTES = 256 * 2**20

# Measured: a single row costs about 100 times as much as a row within a whole view (20 us against 0.2 us). So a view's
# table is made once N / 100 of its rows were computed singly, and no order of pairs costs more than twice the best.
_ROWS_PER_TABLE = 100
_SLAB = 2**16


class ParameterTables:
    """Caches rows of `plan.parameters` for samples [0, samples), in the smallest dtype, in at most `limit` bytes."""

    def __init__(self, plan: ViewPlan, samples: int, limit: int = TABLE_BYTES) -> None:
        self._plan, self._samples, self._limit = plan, samples, limit
        self._dtype = np.min_scalar_type(max(plan.limits, default=1) - 1)
        # The least recently used first. A cache of cachetools makes room when a table is added; here room is made
        # before one is computed, so that the bound holds meanwhile.
        self._tables: dict[int, npt.NDArray[Any]] = {}
        self._single_rows: dict[int, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Tables are not sent to worker processes, which make their own.
        return ParameterTables, (self._plan, self._samples, self._limit)

    @property
    def nbytes(self) -> int:
        """The current size of all tables in bytes."""
        return sum(table.nbytes for table in list(self._tables.values()))

    def rows(self, views_B: IntArray, samples_B: IntArray) -> IntArray:
        """Returns int64 [B, P]: the parameters of each (view, sample) pair, in order."""
        if self._plan.scheme == "enumerated":
            return self._plan.outcome_parameters(views_B)
        out_BP = np.empty((len(views_B), len(self._plan.limits)), np.int64)
        if out_BP.size == 0:
            return out_BP
        if (views_B == views_B[0]).all():
            return self._rows_of(int(views_B[0]), samples_B)
        for view in np.unique(views_B).tolist():
            chosen = np.flatnonzero(views_B == view)
            out_BP[chosen] = self._rows_of(view, samples_B[chosen])
        return out_BP

    def _rows_of(self, view: int, samples_B: IntArray) -> IntArray:
        table = self._tables.pop(view, None)
        if table is None:
            single = self._single_rows.get(view, 0) + len(samples_B)
            if single * _ROWS_PER_TABLE < self._samples or self._bytes_per_table > self._limit:
                self._single_rows[view] = single
                return np.concatenate([self._plan.parameters(view, i, i + 1) for i in samples_B.tolist()])
            table = self._make_table(view)
        self._tables[view] = table
        rows_BP: IntArray = table[samples_B].astype(np.int64)
        return rows_BP

    @property
    def _bytes_per_table(self) -> int:
        return self._samples * len(self._plan.limits) * self._dtype.itemsize

    def _make_table(self, view: int) -> npt.NDArray[Any]:
        self._single_rows.pop(view, None)
        while self._tables and self.nbytes + self._bytes_per_table > self._limit:
            self._tables.pop(next(iter(self._tables)))
        table = np.empty((self._samples, len(self._plan.limits)), self._dtype)
        for start in range(0, self._samples, _SLAB):
            stop = min(start + _SLAB, self._samples)
            table[start:stop] = self._plan.parameters(view, start, stop)
        return table
