"""Blocks of logits that a program gives: their order, and the two ways to ask for them.

A block is the rows of one batch of one view. The store fixes the blocks, so a dump that was stopped asks for the same
ones again. A function is asked for each block. An iterator is begun at a block and asked for one after the other; it is
begun anew wherever the next block is not the one after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import InvalidInput
from dgkd_cache.user_code import RAISED
from dgkd_stores import ChunkSlot
from dgkd_stores.arguments import describe_value

__all__ = [
    "AskedFor",
    "AskedForTests",
    "BlockOrder",
    "Blocks",
    "Iterated",
    "LogitsFunction",
    "LogitsIterator",
    "TestLogitsFunction",
    "asked",
]

LogitsFunction = Callable[[int, NDArray[np.int64]], object]
"""Gets a view and samples int64 (B,), and returns their logits (B, C)."""

TestLogitsFunction = Callable[[NDArray[np.int64]], object]
"""Gets test samples int64 (B,), and returns the logits (B, C) of their images, not augmented."""

LogitsIterator = Callable[[ChunkSlot], Iterable[object]]
"""Gets the block to begin with, and returns an iterator over its logits (B, C) and those of all blocks after it."""


@dataclass(frozen=True, kw_only=True)
class BlockOrder:
    """The order of the blocks: those of the first view by samples, then those of the next one."""

    views: range
    samples: int
    batch: int

    @property
    def first(self) -> ChunkSlot:
        """The first block."""
        return self._at(self.views.start, 0)

    def after(self, block: ChunkSlot) -> ChunkSlot | None:
        """Returns the block after this one; None after the last."""
        if block.stop < self.samples:
            return self._at(block.view, block.stop)
        return self._at(block.view + 1, 0) if block.view + 1 < self.views.stop else None

    def of(self, chunk: ChunkSlot) -> list[ChunkSlot]:
        """Returns the blocks that hold the rows of a chunk."""
        starts = range(chunk.start // self.batch * self.batch, chunk.stop, self.batch)
        return [self._at(chunk.view, start) for start in starts]

    def begun_before(self, view: int, sample: int) -> ChunkSlot | None:
        """Returns the last block that begins before a place; None for the first place of the first view."""
        if sample == 0:
            view, sample = view - 1, self.samples
        return self._at(view, (sample - 1) // self.batch * self.batch) if view in self.views else None

    def _at(self, view: int, start: int) -> ChunkSlot:
        return ChunkSlot(view, start, min(start + self.batch, self.samples))


class Blocks(Protocol):
    """Gives what a program returns for a block, unchecked. An error of the program goes through, with a note."""

    def read(self, block: ChunkSlot) -> object:
        """Returns the logits of a block as they are given."""

    def close(self) -> None:
        """Ends what was begun: the next block is asked for anew."""

    def describe(self, block: ChunkSlot) -> str:
        """Describes a block for a message."""
        return f"view {block.view}, samples {block.start} to {block.stop - 1}"


class AskedFor(Blocks):
    """The blocks of a function."""

    def __init__(self, function: LogitsFunction) -> None:
        self._function = function

    def read(self, block: ChunkSlot) -> object:
        """Calls the function."""
        with asked(self.describe(block)):
            return self._function(block.view, np.arange(block.start, block.stop))

    def close(self) -> None:
        """Does nothing: every block is asked for anew."""


class AskedForTests(AskedFor):
    """The blocks of a function of test samples, in one view that is none."""

    def __init__(self, function: TestLogitsFunction) -> None:
        super().__init__(lambda _, samples_B: function(samples_B))

    def describe(self, block: ChunkSlot) -> str:
        """Describes a block for a message."""
        return f"test samples {block.start} to {block.stop - 1}"


class Iterated(Blocks):
    """The blocks of an iterator, which is closed when it is left.

    Raises InvalidInput for one that ends before its last block, or gives more after it.
    """

    def __init__(self, begin: LogitsIterator, order: BlockOrder, *, what: str) -> None:
        self._begin, self._order, self._what = begin, order, what
        self._next: ChunkSlot | None = None
        self._given: Iterator[object] = iter(())

    def read(self, block: ChunkSlot) -> object:
        """Takes the next item, of an iterator that is begun at this block if it does not stand there."""
        if self._next != block:
            self.close()
            with asked(self.describe(block)):
                begun = self._begin(block)
            if not isinstance(begun, Iterable):
                raise InvalidInput(
                    f"the iterator of {self._what} cannot be begun",
                    expected="a function of the block to begin with that returns an iterator, such as a generator",
                    found=f"{describe_value(begun)}, returned for {self.describe(block)}",
                    do="yield an array (B, C) for that block and for each block after it",
                )
            self._given = iter(begun)
        with asked(self.describe(block)):
            found = next(self._given, self)
        if found is self:
            self._next = None
            raise InvalidInput(
                f"the iterator of {self._what} ends too early",
                expected=f"logits of {self.describe(block)}, and so on to the end of view {self._order.views[-1]}",
                found="no more items",
                do="yield an array (B, C) for each block; what is written is kept, and the same dump goes on from it",
            )
        self._next = self._order.after(block)
        if self._next is None:
            self._require_end(block)
        return found

    def close(self) -> None:
        """Closes the iterator, if it can be."""
        self._next = None
        given, self._given = self._given, iter(())
        close = getattr(given, "close", None)
        if callable(close):
            close()

    def _require_end(self, last: ChunkSlot) -> None:
        with asked(self.describe(last)):
            surplus = next(self._given, self)
        if surplus is not self:
            self.close()
            raise InvalidInput(
                f"the iterator of {self._what} gives too much",
                expected=f"nothing after the logits of {self.describe(last)}, the last ones",
                found=describe_value(surplus),
                do="yield one array for each block: one too many may have shifted all rows after it, so remove what "
                "was written before the dump is run again",
            )


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Adds to an error of the program's own, raised in the block, which logits were asked for."""
    try:
        yield
    except RAISED as error:
        error.add_note(
            f"(raised while the logits of {what} were asked for; what is written is kept, and the same dump goes on "
            "from there)"
        )
        raise
