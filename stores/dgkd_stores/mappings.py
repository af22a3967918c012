"""The mapped chunk files of all open stores together, the least recently used closed first.

A mapping keeps its file open, and 1024 open files is a common limit: so there is one bound for the whole
process.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Any

from numpy.typing import NDArray

__all__ = ["MappingCache"]

Key = tuple[int, str, int]
"""Store, array, chunk."""


class MappingCache:
    """At most `limit` arrays; one that falls out is closed once nobody uses it. Safe over threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._arrays: OrderedDict[Key, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        # A child forked while another thread held the lock would wait for ever.
        os.register_at_fork(after_in_child=self._renew_lock)

    def __len__(self) -> int:
        return len(self._arrays)

    def get(self, key: Key) -> NDArray[Any] | None:
        """The array, now the most recently used, or None."""
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
            return array

    def put(self, key: Key, array: NDArray[Any]) -> None:
        """Keep an array and let the oldest go."""
        with self._lock:
            self._arrays[key] = array
            while len(self._arrays) > self.limit:
                self._arrays.popitem(last=False)

    def drop(self, store: int) -> None:
        """Let all arrays of a store go."""
        with self._lock:
            for key in [key for key in self._arrays if key[0] == store]:
                del self._arrays[key]

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()
