"""Decoded chunks at hand, of all open stores, bounded by their bytes; decoding runs one step ahead on a thread."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.fork_lock import fork_safe_lock

__all__ = ["MAX_DECODED_BYTES", "Chunk", "ChunkCache", "DecodedChunks"]

MAX_DECODED_BYTES = 2 * 2**30
"""Memory for decoded chunks, over all stores of the process; a chunk alone is kept whatever its size."""

Key = tuple[int, int]
"""Store, and chunk in it."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The row arrays of one chunk by name, each [S, columns]."""

    arrays: Mapping[str, NDArray[Any]]
    proven: NDArray[np.bool_]
    """For each digest block: it was checked."""

    @property
    def nbytes(self) -> int:
        """The bytes of memory."""
        return sum(rows.nbytes for rows in self.arrays.values())


class ChunkCache:
    """Chunks of `limit` bytes together, the least recently used let go first. Safe over threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._chunks: OrderedDict[Key, Chunk] = OrderedDict()
        self._nbytes = 0
        self._lock = fork_safe_lock()

    def get(self, key: Key) -> Chunk | None:
        """The chunk, now the most recently used, or None."""
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: Key, chunk: Chunk) -> None:
        """Keep a chunk and let the oldest go."""
        with self._lock:
            self._forget(key)
            self._chunks[key] = chunk
            self._nbytes += chunk.nbytes
            while self._nbytes > self.limit and len(self._chunks) > 1:
                self._forget(next(iter(self._chunks)))

    def __contains__(self, key: Key) -> bool:
        return key in self._chunks

    def drop(self, store: int) -> None:
        """Let all chunks of a store go."""
        with self._lock:
            for key in [key for key in self._chunks if key[0] == store]:
                self._forget(key)

    def _forget(self, key: Key) -> None:
        if (chunk := self._chunks.pop(key, None)) is not None:
            self._nbytes -= chunk.nbytes


class DecodedChunks:
    """Chunks that have to be decoded, with the one that is needed next decoded while the last is in use.

    When a chunk is used for the first time, the caller's guess of the next one begins to be decoded on one thread for
    the whole process; a chunk that nobody asks for is never decoded, so a guide that is dropped all the time costs
    nothing. Safe over threads; a forked child keeps what is decoded and begins a thread of its own.

    In memory are `limit` bytes, the chunk that is being decoded ahead, and what callers hold.
    """

    def __init__(self, limit: int) -> None:
        self._cache = ChunkCache(limit)
        # Guards what follows; never held while a chunk is decoded or waited for.
        self._lock = fork_safe_lock()
        self._begun: dict[Key, Future[Chunk]] = {}
        """Not in the cache yet. Only the decoding itself takes its key out, or who has cancelled it."""
        self._unused: set[Key] = set()
        self._thread: ThreadPoolExecutor | None = None
        os.register_at_fork(after_in_child=self._forget_thread)

    def get(self, key: Key, load: Callable[[int], Chunk], *, following: int) -> Chunk:
        """Chunk `key`, by `load` of its number where it is not at hand; chunk `following` of the store is begun."""
        with self._lock:
            chunk = self._cache.get(key)
            first = chunk is None or key in self._unused
            begun = self._begun.get(key)
        if chunk is None:
            chunk = (begun and self._settle(key, begun)) or load(key[1])
        if first:
            with self._lock:
                self._cache.put(key, chunk)
                self._unused.discard(key)
                self._begin((key[0], following), load)
        return chunk

    def drop(self, store: int) -> None:
        """Let all chunks of a store go, the one being decoded included."""
        with self._lock:
            begun = {key: future for key, future in self._begun.items() if key[0] == store}
        for key, future in begun.items():
            self._settle(key, future)
        with self._lock:
            self._cache.drop(store)
            self._unused = {key for key in self._unused if key[0] != store}

    def _begin(self, key: Key, load: Callable[[int], Chunk]) -> None:
        """Have a chunk decoded, unless it is or is being; the caller holds the lock."""
        if key in self._cache or key in self._begun:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="dgkd-decode")
        # No thread to be had, or the interpreter is ending: then nothing is decoded ahead.
        with contextlib.suppress(RuntimeError):
            self._begun[key] = self._thread.submit(self._ahead, key, load)

    def _ahead(self, key: Key, load: Callable[[int], Chunk]) -> Chunk:
        try:
            chunk = load(key[1])
            with self._lock:
                self._unused.add(key)
                self._cache.put(key, chunk)
            return chunk
        finally:
            # The cache alone decides how long a chunk lives.
            with self._lock:
                self._begun.pop(key, None)

    def _settle(self, key: Key, future: Future[Chunk]) -> Chunk | None:
        """The result of what was begun, if it is sound; what is wrong with it is said to whoever decodes it again."""
        if future.cancel():
            with self._lock:
                if self._begun.get(key) is future:
                    del self._begun[key]
            return None
        return None if future.exception() else future.result()

    def _forget_thread(self) -> None:
        self._begun, self._thread = {}, None
