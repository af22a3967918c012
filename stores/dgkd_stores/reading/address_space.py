"""A range of addresses for the rows of many chunks, into which files are mapped one by one.

With separate mappings, each chunk would keep a file open, and rows of 160 chunks would take 160 calls (measured: a
batch from three stores takes 1.5 ms; in one range, 0.05 ms). Callers keep only copies of its content.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.disk.files import plain_file
from dgkd_stores.reading.row_index import Placed

__all__ = ["Addresses"]

# The module mmap has neither; both are the same on Linux, macOS and the BSDs.
_NO_ACCESS = 0
_FIXED = 0x10
_NOTHING = mmap.MAP_PRIVATE | mmap.MAP_ANON | getattr(mmap, "MAP_NORESERVE", 0)
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Addresses:
    """Addresses for `chunks` chunks of `chunk_bytes` each, in rows of `row_bytes`; takes no memory. Not thread-safe.

    Reading unmapped addresses ends the process. Raises OSError if so many addresses are not allowed (`ulimit -v`).
    """

    def __init__(self, *, chunks: int, chunk_bytes: int, row_bytes: int) -> None:
        page = mmap.ALLOCATIONGRANULARITY
        # One page more than a chunk: it need not begin at a page of its file.
        self.slot_bytes = -(-chunk_bytes // page) * page + page
        self._nbytes = chunks * self.slot_bytes
        self._row_bytes = row_bytes
        self._base = _map(None, self._nbytes, _NO_ACCESS, _NOTHING, -1, 0)
        release = weakref.finalize(self, _libc.munmap, self._base, self._nbytes)
        release.atexit = False  # a thread may still read; the system frees everything
        self._bytes = np.asarray(_Bytes(self._base, self._nbytes))
        self._every_row = np.ndarray((self._nbytes - row_bytes + 1,), f"V{row_bytes}", self._bytes, strides=(1,))
        self._before_C = np.zeros(chunks, np.int64)  # bytes of its first page before the chunk
        self._shifted = False

    def map(self, chunk: int, path: Path, offset: int = 0, nbytes: int | None = None) -> NDArray[np.uint8]:
        """Maps `nbytes` bytes of a regular file from `offset` on (default: all) as that chunk; returns a view of them.

        Raises ValueError if the file has fewer, or they are not a chunk, and as `plain_file`.
        """
        with plain_file(path) as (handle, size):
            stop = size if nbytes is None else offset + nbytes
            before = offset % mmap.ALLOCATIONGRANULARITY
            if not 0 <= offset < stop <= size or before + stop - offset > self.slot_bytes:
                raise ValueError(f"a file of {size} bytes where {stop} are needed")
            address, length = self._base + chunk * self.slot_bytes, before + stop - offset
            _map(address, length, mmap.PROT_READ, mmap.MAP_SHARED | _FIXED, handle, offset - before)
        self._before_C[chunk] = before
        self._shifted |= before > 0
        return self.chunk(chunk, stop - offset)

    def chunk(self, chunk: int, nbytes: int) -> NDArray[np.uint8]:
        """Returns the first bytes of a mapped chunk, valid as long as it is mapped."""
        first = chunk * self.slot_bytes + int(self._before_C[chunk])
        return self._bytes[first : first + nbytes]

    def gather(self, placed: Placed) -> NDArray[np.void]:
        """Copies each row, which must be mapped: opaque elements [B]."""
        byte_B = placed.byte_B(self.slot_bytes, self._row_bytes)
        if self._shifted:
            byte_B = byte_B + self._before_C[placed.chunk_B]
        rows: NDArray[np.void] = self._every_row[byte_B]
        return rows

    def unmap(self) -> None:
        """Unmaps every chunk; keeps the addresses."""
        _map(self._base, self._nbytes, _NO_ACCESS, _NOTHING | _FIXED, -1, 0)


class _Bytes:
    """Memory at an address, in numpy's array interface."""

    def __init__(self, base: int, nbytes: int) -> None:
        read_only = True
        self.__array_interface__ = {"version": 3, "data": (base, read_only), "shape": (nbytes,), "typestr": "|u1"}


def _map(address: int | None, nbytes: int, protection: int, flags: int, handle: int, offset: int) -> int:
    mapped = _libc.mmap(address, nbytes, protection, flags, handle, offset)
    if mapped in (_FAILED, None):
        number = ctypes.get_errno()
        limits = "`ulimit -v` bounds addresses, `sysctl vm.max_map_count` mappings"
        raise OSError(number, f"{os.strerror(number)}: mapping {nbytes} bytes ({limits})")
    return int(mapped)
