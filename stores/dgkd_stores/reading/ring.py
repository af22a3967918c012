"""Memory of a bounded size for blocks of rows of many stores: a ring, which overwrites the block read first.

First in, first out: an epoch asks for the blocks of its view over and over, and for those of earlier views no more, so
noting each use would cost as much as taking the rows and keep the same blocks.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOWHERE", "Ring"]

NOWHERE = -1

Places = NDArray[np.int64]
"""For each block of a store where it begins in the ring; NOWHERE for one that is not there."""


class Ring:
    """At most `limit` bytes, or those of one block; taken from the system as it is filled. Not safe over threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.memory = np.empty(0, np.uint8)
        self._head = 0
        self._taken: deque[tuple[int, int, Places, int]] = deque()
        """Start, stop, and whose block it is, from the oldest to the newest. What its store has elsewhere, or no more,
        is only room."""

    def reserve(self, nbytes: int, block_bytes: int) -> None:
        """Make room for `nbytes`, or for as much as there may be; all blocks are forgotten where it has to grow."""
        size = max(min(nbytes, self.limit), block_bytes)
        while size > self.memory.size:
            self._forget_all()
            try:
                self.memory = np.empty(size, np.uint8)
            except MemoryError:
                # `ulimit -v` and the like: less is slower, and enough.
                if size == block_bytes:
                    raise
                size = self.limit = max(size // 2, block_bytes)

    def fits(self, blocks: int, block_bytes: int) -> bool:
        """True where so many blocks can be held at once; at the ring's end up to one block's room is not used."""
        return blocks == 1 or (blocks + 1) * block_bytes <= self.memory.size

    def room(self, nbytes: int) -> NDArray[np.uint8]:
        """The next `nbytes` bytes, for `keep`; the blocks that were there are forgotten."""
        if self._head + nbytes > self.memory.size:
            while self._taken and self._taken[0][0] >= self._head:
                self._forget_oldest()
            self._head = 0
        while self._taken and self._head <= self._taken[0][0] < self._head + nbytes:
            self._forget_oldest()
        return self.memory[self._head : self._head + nbytes]

    def keep(self, places: Places, block: int, nbytes: int) -> None:
        """The last `room` now holds that block of a store."""
        start = self._head
        # In this order: whatever comes in between, no place is overwritten while it is believed.
        self._taken.append((start, start + nbytes, places, block))
        self._head = start + nbytes
        places[block] = start

    def drop(self, places: Places) -> None:
        """Forget all blocks of a store; the last one gives the memory back."""
        places[:] = NOWHERE
        self._taken = deque(taken for taken in self._taken if taken[2] is not places)
        if not self._taken:
            self._head, self.memory = 0, np.empty(0, np.uint8)

    def _forget_oldest(self) -> None:
        start, _, places, block = self._taken[0]
        if places[block] == start:
            places[block] = NOWHERE
        self._taken.popleft()

    def _forget_all(self) -> None:
        while self._taken:
            self._forget_oldest()
        self._head = 0
