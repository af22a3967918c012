"""Replaces the files of a store's rows and digests, each in one step, under the writer's lock.

Rows are durable before their digest is written, and a digest is zeroed before its rows change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import require_flags, require_integer, require_kind
from dgkd_stores.coding.digests import block_digests
from dgkd_stores.coding.encodings import Encoding
from dgkd_stores.disk.files import write_durably
from dgkd_stores.disk.locks import ViewLock
from dgkd_stores.errors import InvalidInput
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import ArrayLayout, StoreLayout

__all__ = ["ChunkFiles", "ChunkSlot", "ViewHolder"]


@dataclass(frozen=True)
class ChunkSlot:
    """Rows `start` to `stop` (one past the last) of one view, which are written together.

    Raises InvalidInput for numbers below 0.
    """

    view: int
    """The number of the view."""
    start: int
    """The first sample."""
    stop: int
    """One past the last sample."""

    def __post_init__(self) -> None:
        for name in ("view", "start", "stop"):
            require_integer("ChunkSlot", name, getattr(self, name), low=0)


class ViewHolder:
    """A context manager that holds a lock on views of a store, and releases it at its end."""

    _lock: ViewLock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases the views; may be called twice."""
        self._lock.release()


class ChunkFiles:
    """Writes the chunks of the store at `path`; `replaced` lists the files, in order."""

    def __init__(self, path: Path, header: StoreHeader, layout: StoreLayout, lock: ViewLock) -> None:
        self.path, self.replaced = path, list[str]()
        self._header, self._layout, self._lock = header, layout, lock

    def place(self, slot: ChunkSlot) -> tuple[int, int, slice]:
        """Returns view and chunk of a slot, from 0, and its blocks as a slice of the view's digests."""
        rows = self._header.digest_rows
        blocks = slice(slot.start // rows, -(-slot.stop // rows))
        return self._header.place_of(slot.view), slot.start // self._layout.chunk_rows, blocks

    def check(self, slot: ChunkSlot, logits_SC: NDArray[np.float32], *, condensed: bool) -> None:
        """Raises InvalidInput unless there is one float32 row, of logits or condensed, for each sample of the slot."""
        require_kind("write", "slot", slot, ChunkSlot, expected="a ChunkSlot")
        require_kind("write", "logits_SC", logits_SC, np.ndarray, expected="a numpy array of float32")
        require_flags("write", condensed=condensed)
        classes = self._header.classes
        shape = (slot.stop - slot.start, self._header.row_encoding.columns(classes) if condensed else classes)
        if logits_SC.dtype != np.float32 or logits_SC.shape != shape:
            raise InvalidInput(
                "logits of a chunk", expected=f"float32 {shape}", found=f"{logits_SC.dtype} {logits_SC.shape}"
            )

    def encode(
        self, encoding: Encoding, logits_SC: NDArray[np.float32], *, condensed: bool
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:
        """Returns the stored arrays of a chunk's rows by name, and their digests [blocks, 32]."""
        arrays = encoding.encode_condensed(logits_SC) if condensed else encoding.encode(logits_SC)
        stored = {name: arrays[name] for name in self._layout.rows}
        return stored, block_digests(list(stored.values()), self._header.digest_rows)

    def write(
        self,
        slot: ChunkSlot,
        stored: Mapping[str, NDArray[Any]],
        digests: NDArray[np.uint8],
        digest_VB32: NDArray[np.uint8],
    ) -> None:
        """Replaces a chunk and its digests; `digest_VB32` holds all digests of the store and is updated."""
        view, _, blocks = self.place(slot)
        if digest_VB32[view, blocks].any():
            # The data is missing under its digest, which must be zeroed before the data is written.
            self._write_digests(view, blocks, np.zeros_like(digests), digest_VB32)
        self.write_rows(slot, stored)
        self._write_digests(view, blocks, digests, digest_VB32)

    def write_rows(self, slot: ChunkSlot, stored: Mapping[str, NDArray[Any]]) -> None:
        """Replaces a chunk whose digests are already written."""
        view, part, _ = self.place(slot)
        for name, rows in stored.items():
            self.replace(self._layout.rows[name], (view, part, 0), rows)

    def replace(self, array: ArrayLayout, position: tuple[int, ...], content: NDArray[Any]) -> None:
        """Replaces one file of an array."""
        key = array.key(*position)
        with self._lock.unfinished(f"{array.name}.{key}.partial") as partial:
            write_durably(self.path / array.name / key, array.encode(content), temporary=partial)
        self.replaced.append(f"{array.name}/{key}")

    def _write_digests(
        self, view: int, blocks: slice, digests: NDArray[np.uint8], digest_VB32: NDArray[np.uint8]
    ) -> None:
        # A view has only one writer, so its whole chunk of digests can be replaced.
        updated = digest_VB32[view].copy()
        updated[blocks] = digests
        self.replace(self._layout.digest, (view, 0, 0), updated)
        digest_VB32[view] = updated
