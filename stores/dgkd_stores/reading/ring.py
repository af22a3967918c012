"""A ring buffer for blocks of rows of many stores, which overwrites the oldest block first.

First in, first out: an epoch needs the blocks of its view repeatedly, and those of earlier views no more. Recording
each use would cost as much as copying the rows, and would keep the same blocks.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOWHERE", "Ring"]

NOWHERE = -1

Places = NDArray[np.int64]
"""The start of each block of a store in the ring; NOWHERE for a block that is not in it."""


class Ring:
    """A ring of at most `limit` bytes, or one block; memory is used as it is filled. Not thread-safe."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.memory = np.empty(0, np.uint8)
        self._head = 0
        self._taken: deque[tuple[int, Places, int]] = deque()
        """(start, places of the store, block), from oldest to newest; free room if its places lack the block."""

    def reserve(self, nbytes: int, block_bytes: int) -> None:
        """Makes room for `nbytes`, or as much as allowed; drops all blocks if it has to grow."""
        size = max(min(nbytes, self.limit), block_bytes)
        while size > self.memory.size:
            while self._taken:
                self._forget_oldest()
            self._head = 0
            try:
                self.memory = np.empty(size, np.uint8)
            except MemoryError:
                # `ulimit -v` and similar limits: less memory is slower, but sufficient.
                if size == block_bytes:
                    raise
                size = self.limit = max(size // 2, block_bytes)

    def fits(self, blocks: int, block_bytes: int) -> bool:
        """Returns True if so many blocks can be held at once; up to one block of room at the ring's end is unused."""
        return blocks == 1 or (blocks + 1) * block_bytes <= self.memory.size

    def room(self, nbytes: int) -> NDArray[np.uint8]:
        """Returns the next `nbytes` bytes, for `keep`; drops the blocks that were there."""
        if self._head + nbytes > self.memory.size:
            while self._taken and self._taken[0][0] >= self._head:
                self._forget_oldest()
            self._head = 0
        while self._taken and self._head <= self._taken[0][0] < self._head + nbytes:
            self._forget_oldest()
        return self.memory[self._head : self._head + nbytes]

    def keep(self, places: Places, block: int, nbytes: int) -> None:
        """Records that the last `room` now holds that block of a store."""
        start = self._head
        # In this order, so that after an interruption no overwritten place is still recorded.
        self._taken.append((start, places, block))
        self._head = start + nbytes
        places[block] = start

    def drop(self, places: Places) -> None:
        """Drops all blocks of a store; frees the memory after the last store."""
        places[:] = NOWHERE
        self._taken = deque(taken for taken in self._taken if taken[1] is not places)
        if not self._taken:
            self._head, self.memory = 0, np.empty(0, np.uint8)

    def _forget_oldest(self) -> None:
        start, places, block = self._taken[0]
        if places[block] == start:
            places[block] = NOWHERE
        self._taken.popleft()
