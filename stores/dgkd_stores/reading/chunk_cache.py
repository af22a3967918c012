"""Caches decoded chunks of all open stores, bounded by bytes; a thread decodes one chunk ahead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from dgkd_stores.fork_lock import fork_safe_lock

__all__ = ["MAX_DECODED_BYTES", "Chunk", "DecodedChunks"]

MAX_DECODED_BYTES = 2 * 2**30
"""Maximum memory for decoded chunks, over all stores of the process; a single chunk may exceed it."""

Key = tuple[int, int]
"""(store, chunk in it)."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The row arrays of one chunk by name, each [S, columns]."""

    arrays: Mapping[str, NDArray[Any]]
    proven: NDArray[np.bool_]
    """For each digest block, whether it was checked."""

    @property
    def nbytes(self) -> int:
        """The size in memory in bytes."""
        return sum(rows.nbytes for rows in self.arrays.values())


class DecodedChunks:
    """Decodes chunks, and the next one ahead while the last is in use.

    At the first use of a chunk, one thread for the whole process starts to decode the caller's guess of the next one.
    Nothing else is decoded, so a guide that is always dropped costs nothing. Thread-safe; a forked child keeps decoded
    chunks and starts its own thread.

    Memory holds `limit` bytes, the chunk that is being decoded ahead, and chunks that callers hold.
    """

    def __init__(self, limit: int) -> None:
        # A chunk larger than the limit counts as all of it, and so is kept alone.
        self.cache: LRUCache[Key, Chunk] = LRUCache(limit, getsizeof=lambda chunk: min(chunk.nbytes, limit))
        # Guards the cache and the fields below; never held while a chunk is decoded or waited for.
        self._lock = fork_safe_lock()
        self.begun: dict[Key, Future[Chunk]] = {}
        """Chunks not in the cache yet. Only the decoding itself removes its key, or the thread that cancelled it."""
        self.unused: set[Key] = set()
        """Chunks decoded ahead that nobody has asked for yet."""
        self._thread: ThreadPoolExecutor | None = None
        os.register_at_fork(after_in_child=self._forget_thread)

    def get(self, key: Key, load: Callable[[int], Chunk], *, following: int) -> Chunk:
        """Returns chunk `key`, decoded with `load` if needed; starts to decode chunk `following` of the store."""
        with self._lock:
            chunk = self.cache.get(key)
            first = chunk is None or key in self.unused
            begun = self.begun.get(key)
        if chunk is None:
            chunk = (begun and self._settle(key, begun)) or load(key[1])
        if first:
            with self._lock:
                self.cache[key] = chunk
                self.unused.discard(key)
                self._begin((key[0], following), load)
        return chunk

    def drop(self, store: int) -> None:
        """Removes all chunks of a store, including the one being decoded."""
        with self._lock:
            begun = {key: future for key, future in self.begun.items() if key[0] == store}
        for key, future in begun.items():
            self._settle(key, future)
        with self._lock:
            for key in [key for key in self.cache if key[0] == store]:
                del self.cache[key]
            self.unused = {key for key in self.unused if key[0] != store}

    def _begin(self, key: Key, load: Callable[[int], Chunk]) -> None:
        """Starts to decode a chunk, unless it is decoded or being decoded; the caller holds the lock."""
        if key in self.cache or key in self.begun:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="dgkd-decode")
        # No thread available, or the interpreter is ending: nothing is decoded ahead.
        with contextlib.suppress(RuntimeError):
            self.begun[key] = self._thread.submit(self._ahead, key, load)

    def _ahead(self, key: Key, load: Callable[[int], Chunk]) -> Chunk:
        try:
            chunk = load(key[1])
            with self._lock:
                self.unused.add(key)
                self.cache[key] = chunk
            return chunk
        finally:
            # Only the cache decides how long a chunk is kept.
            with self._lock:
                self.begun.pop(key, None)

    def _settle(self, key: Key, future: Future[Chunk]) -> Chunk | None:
        """Returns the result of a begun decoding, or None after an error, which decoding again will raise."""
        if future.cancel():
            with self._lock:
                if self.begun.get(key) is future:
                    del self.begun[key]
            return None
        return None if future.exception() else future.result()

    def _forget_thread(self) -> None:
        self.begun, self._thread = {}, None
