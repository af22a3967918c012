"""Reads rows of raw chunks block by block into memory: exactly the checked bytes are returned.

For disks that others write to: a chunk that is rewritten in place is refused unless its rows are held already, and a
truncated one raises an error, not a signal. All stores of the process together hold `MAX_HELD_BYTES` of blocks.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.containers import Container
from dgkd_stores.disk.files import fill, plain_file
from dgkd_stores.errors import Damaged, UnsafeStore
from dgkd_stores.fork_lock import fork_safe_lock
from dgkd_stores.reading.proof import BlockProof
from dgkd_stores.reading.ring import NOWHERE, Ring
from dgkd_stores.reading.row_index import Placed

__all__ = ["MAX_HELD_BYTES", "HeldBlocks"]

MAX_HELD_BYTES = 2 * 2**30
"""Maximum memory for blocks, over all stores of the process."""

_ALIGNED = 64

RING = Ring(MAX_HELD_BYTES)
_LOCK = fork_safe_lock()
"""Held while rows of any store are copied, so that nothing in the ring is overwritten meanwhile."""

_open: weakref.WeakSet[HeldBlocks] = weakref.WeakSet()


class HeldBlocks:
    """The rows of one store whose chunks are not compressed. Thread-safe."""

    def __init__(self, container: Container, proof: BlockProof) -> None:
        self._container, self._layout, self._proof = container, container.layout, proof
        header = container.header
        self._blocks, block_rows = header.blocks, min(header.digest_rows, header.dataset.samples)
        self.rows_each = header.digest_rows
        """Rows are located by blocks of this size."""
        self._parts: list[_Part] = []
        first = 0
        for array in self._layout.rows.values():
            self._parts.append(_Part(array.name, array.numpy_dtype, array.shape[2], array.row_bytes, first))
            first += -(-array.row_bytes * block_rows // _ALIGNED) * _ALIGNED
        self._block_bytes = first
        if first > MAX_HELD_BYTES:
            raise UnsafeStore(
                f"{container.path}: digest blocks too large to be copied into memory",
                expected=f"at most {MAX_HELD_BYTES} bytes, and 64 KiB from our writer",
                found=f"{first}",
                do="set reader to mmap, if you trust its disk",
            )
        self._places = np.full(header.views * header.blocks, NOWHERE, np.int64)
        self._memory = np.empty(0, np.uint8)
        self._every_row: list[NDArray[np.void]] = []
        """For each array, a row that starts at each byte of the ring."""

    def gather(self, placed: Placed) -> dict[str, NDArray[Any]]:
        """Returns the stored rows [B, columns] of each array; they must be written."""
        with _LOCK:
            return self._gather(placed)

    def close(self) -> None:
        """Frees all blocks."""
        with _LOCK:
            _open.discard(self)
            self._memory, self._every_row = np.empty(0, np.uint8), []
            RING.drop(self._places)

    def _gather(self, placed: Placed) -> dict[str, NDArray[Any]]:
        start_B = self._places.take(placed.chunk_B)
        if np.count_nonzero(start_B < 0):
            if not self._hold(placed.chunk_B):
                first, rest = map(self._gather, placed.halves())
                return {name: np.concatenate([first[name], rest[name]]) for name in first}
            start_B = self._places.take(placed.chunk_B)
        if self._memory is not RING.memory:
            memory = RING.memory
            self._every_row = [
                np.ndarray((max(0, memory.size - part.row_bytes + 1),), f"V{part.row_bytes}", memory, strides=(1,))
                for part in self._parts
            ]
            self._memory = memory
        rows = {}
        for part, every_row in zip(self._parts, self._every_row, strict=True):
            byte_B = start_B + placed.byte_B(0, part.row_bytes)
            if part.first:
                byte_B += part.first
            # Not `take`: it copies its whole input if rows overlap, as here.
            rows[part.name] = every_row[byte_B].view(part.dtype).reshape(-1, part.columns)
        return rows

    def _hold(self, block_B: NDArray[np.int64]) -> bool:
        """Reads and checks those of these blocks that are not held; returns False if they are more than can be held."""
        _open.add(self)
        RING.reserve(sum(len(store._places) * store._block_bytes for store in _open), self._block_bytes)
        needed = np.unique(block_B)
        if not RING.fits(len(needed), self._block_bytes):
            return False
        # Reading may overwrite blocks that are also needed. The loop ends, because new blocks are overwritten last.
        while len(lacking := needed[self._places[needed] < 0]):
            chunk_L = (lacking // self._blocks) * self._layout.chunks_per_view
            chunk_L += lacking % self._blocks * self.rows_each // self._layout.chunk_rows
            for chunk, found in itertools.groupby(
                zip(chunk_L.tolist(), lacking.tolist(), strict=True), lambda at: at[0]
            ):
                self._read(chunk, [block for _, block in found])
        return True

    def _read(self, chunk: int, blocks: Sequence[int]) -> None:
        """Reads blocks, counted over the store, of one chunk; keeps each after its check."""
        view, in_view = divmod(chunk, self._layout.chunks_per_view)
        with ExitStack() as opened:
            files = [
                self._open_chunk(opened, part.name, view, in_view, blocks[0] % self._blocks) for part in self._parts
            ]
            for block in blocks:
                inside = block % self._blocks
                rows, room = self._proof.rows(inside), RING.room(self._block_bytes)
                before, held = rows.start - in_view * self._layout.chunk_rows, {}
                for part, (handle, offset) in zip(self._parts, files, strict=True):
                    into = room[part.first : part.first + len(rows) * part.row_bytes]
                    done = fill(handle, into, offset + before * part.row_bytes)
                    if done != into.size:
                        found = f"{done} before the file ends"
                        raise self._lost(part.name, view, in_view, inside, f"{into.size} bytes", found)
                    held[part.name] = into.view(part.dtype).reshape(len(rows), part.columns)
                self._proof.check(view, inside, held)
                RING.keep(self._places, block, self._block_bytes)

    def _open_chunk(self, opened: ExitStack, name: str, view: int, in_view: int, block: int) -> tuple[int, int]:
        """Returns the file of a chunk, and the chunk's start in it; raises Damaged if it is missing or too short."""
        array, found = self._layout.rows[name], "no such file"
        place = self._container.place(array, (view, in_view, 0))
        stop = place.offset + array.chunk_bytes
        with suppress(FileNotFoundError):
            handle, size = opened.enter_context(plain_file(place.path))
            if size == stop or (place.nbytes is not None and size > stop):
                return handle, place.offset
            found = f"a file of {size} bytes"
        raise self._lost(name, view, in_view, block, f"a chunk of {array.chunk_bytes} bytes", found)

    def _lost(self, name: str, view: int, in_view: int, block: int, expected: str, found: str) -> Damaged:
        file = self._container.name_of(self._layout.rows[name], (view, in_view, 0))
        return self._proof.damaged(view, block, expected, found, file=file)


class _Part(NamedTuple):
    """The rows of one array in a block, from byte `first` of the block."""

    name: str
    dtype: np.dtype[Any]
    columns: int
    row_bytes: int
    first: int
