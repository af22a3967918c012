"""Checks a block of rows: its SHA-256 must be the store's, and all its numbers finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.digests import block_digest
from dgkd_stores.containers import Container, damaged
from dgkd_stores.containers.container import LOST
from dgkd_stores.errors import Damaged

__all__ = ["BlockProof"]


class BlockProof:
    """Checks the rows of blocks against the digests [V, blocks, 32] of their store."""

    def __init__(self, container: Container, digest_VB32: NDArray[np.uint8]) -> None:
        self._header = header = container.header
        self._path, self._digest_VB32, self._encoding = container.path, digest_VB32, header.row_encoding
        self._rows, self._samples = header.digest_rows, header.dataset.samples

    def rows(self, block: int) -> range:
        """Returns the samples of a block in any view."""
        return range(block * self._rows, min((block + 1) * self._rows, self._samples))

    def check(self, view: int, block: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Raises Damaged unless these arrays, by name, are the rows of that block."""
        expected, found = self._digest_VB32[view, block].tobytes(), block_digest(list(arrays.values()))
        if found != expected:
            raise self.damaged(view, block, f"SHA-256 {expected.hex()}", found.hex())
        if not self._encoding.finite(arrays):
            breach = f"{self._encoding.breach} under a valid digest"
            raise self.damaged(view, block, self._encoding.rule, breach, LOST)

    def damaged(self, view: int, block: int, expected: str, found: str, do: str = "", *, file: str = "") -> Damaged:
        """Returns the error for a block, or for its file; views are counted from 0."""
        rows = self.rows(block)
        where = f"view {self._header.view_at(view)}, samples {rows.start} to {rows.stop - 1}"
        return damaged(self._path, f"{self._path / file}: {where}: damaged", expected, found, do=do)
