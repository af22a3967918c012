"""Reads rows of raw chunks, mapped at their first use; each block is checked against its digest at its first use.

The bytes remain the file's: a chunk that another program rewrites after the check is not checked again, and a truncated
one ends the process (SIGBUS). `blocks.py` is for disks that others write to.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.containers import Container
from dgkd_stores.fork_lock import fork_safe_lock
from dgkd_stores.reading.address_space import Addresses
from dgkd_stores.reading.proof import BlockProof
from dgkd_stores.reading.row_index import Placed

__all__ = ["MAX_MAPPINGS", "MappedChunks"]

MAX_MAPPINGS = 2**14
"""Maximum number of mapped chunks, over all stores of the process. Each takes two of the 65,530 memory areas of a Linux
process: itself, and the rest of its slot.
"""

_LOCK = fork_safe_lock()
"""Held while rows of any store are copied, so that no chunk is unmapped meanwhile."""

_open: weakref.WeakSet[MappedChunks] = weakref.WeakSet()


class MappedChunks:
    """The rows of one store whose chunks are not compressed. Thread-safe."""

    def __init__(self, container: Container, proof: BlockProof) -> None:
        self._container, self._layout, self._proof = container, container.layout, proof
        header = container.header
        self._blocks, self._digest_rows = header.blocks, header.digest_rows
        self._per_view, self._chunk_rows = self._layout.chunks_per_view, self._layout.chunk_rows
        self.rows_each = self._chunk_rows
        """Rows are located by chunks of this size."""
        chunks = header.views * self._per_view
        self._rows = {
            name: Addresses(chunks=chunks, chunk_bytes=array.chunk_bytes, row_bytes=array.row_bytes)
            for name, array in self._layout.rows.items()
        }
        self._arrays = [
            (name, self._rows[name], array.numpy_dtype, array.shape[2]) for name, array in self._layout.rows.items()
        ]
        self._proven = np.zeros(header.views * header.blocks, np.bool_)
        """For every block of the store, whether it was checked."""
        self._ready = np.zeros_like(self._proven)
        """For every block, whether it was checked and is mapped."""
        self._mapped_C, self._ready_C = np.zeros(chunks, np.bool_), np.zeros(chunks, np.bool_)
        """For every chunk, whether it is mapped, and whether it is mapped with every block checked."""
        with _LOCK:
            _open.add(self)

    def gather(self, placed: Placed) -> dict[str, NDArray[Any]]:
        """Returns the stored rows [B, columns] of each array; they must be written."""
        with _LOCK:
            return self._gather(placed)

    def close(self) -> None:
        """Unmaps all chunks; checked blocks stay checked."""
        with _LOCK:
            self._let_go()

    def _gather(self, placed: Placed) -> dict[str, NDArray[Any]]:
        chunk_B = placed.chunk_B
        if np.count_nonzero(self._ready_C[chunk_B]) != len(chunk_B):
            view_B, part_B = np.divmod(chunk_B, self._per_view)
            block_B = view_B * self._blocks + (part_B * self._chunk_rows + placed.row_B) // self._digest_rows
            if not self._ready[block_B].all() and not self._make_ready(chunk_B, block_B):
                first, rest = map(self._gather, placed.halves())
                return {name: np.concatenate([first[name], rest[name]]) for name in first}
        return {
            name: rows.gather(placed).view(dtype).reshape(-1, columns) for name, rows, dtype, columns in self._arrays
        }

    def _make_ready(self, chunk_B: NDArray[np.int64], block_B: NDArray[np.int64]) -> bool:
        """Maps these chunks and checks these blocks if needed; returns False if they are more than can be mapped."""
        numbers = np.unique(chunk_B)
        if len(numbers) > max(1, MAX_MAPPINGS // len(self._rows)):
            return False
        lacking = numbers[~self._mapped_C[numbers]]
        if len(lacking) and _mappings() + len(lacking) * len(self._rows) > MAX_MAPPINGS:
            for store in _open:
                store._let_go()
            lacking = numbers
        for number in lacking.tolist():
            position = (*divmod(number, self._per_view), 0)
            for name, rows in self._rows.items():
                self._container.chunk(self._layout.rows[name], position, read=functools.partial(rows.map, number))
            self._mapped_C[number] = True
        for block in np.unique(block_B[~self._proven[block_B]]).tolist():
            view, inside = divmod(block, self._blocks)
            number = view * self._per_view + inside * self._digest_rows // self._chunk_rows
            self._check(view, inside, number)
            self._proven[block] = True
        self._ready[block_B] = True
        for number in numbers.tolist():
            view, part = divmod(number, self._per_view)
            first = part * self._chunk_rows // self._digest_rows
            last = min(first + -(-self._chunk_rows // self._digest_rows), self._blocks)
            self._ready_C[number] = self._proven[view * self._blocks + first : view * self._blocks + last].all()
        return True

    def _check(self, view: int, block: int, number: int) -> None:
        rows = self._proof.rows(block)
        inside = slice(rows.start % self._chunk_rows, rows.start % self._chunk_rows + len(rows))
        held = {}
        for name, array in self._layout.rows.items():
            mapped = self._rows[name].chunk(number, array.chunk_bytes)
            held[name] = mapped.view(array.numpy_dtype).reshape(array.chunks)[0][inside]
        self._proof.check(view, block, held)

    def _let_go(self) -> None:
        # In this order, so that after an interruption no unmapped chunk counts as ready.
        for flags in (self._ready, self._mapped_C, self._ready_C):
            flags[:] = False
        for rows in self._rows.values():
            rows.unmap()


def _mappings() -> int:
    """Returns the number of mapped chunks of all stores."""
    return sum(len(store._rows) * int(np.count_nonzero(store._mapped_C)) for store in _open)
