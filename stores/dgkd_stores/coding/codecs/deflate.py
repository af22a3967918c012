"""Decodes chunks of HDF5's filters deflate and shuffle without HDF5's own code.

Source: the HDF5 file format specification, filters 1 and 2; zlib (RFC 1950).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.codecs.abc import Codec

__all__ = ["Deflate"]


@dataclass(frozen=True)
class Deflate(Codec):
    """One zlib stream for each chunk; only for HDF5 files."""

    name = "gzip"
    level: ClassVar[int] = 4

    shuffled: int = 1
    """For decoding: the size in bytes of shuffled elements; 1 if not shuffled."""

    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        """Returns a zlib stream; elements of several bytes are shuffled first."""
        planes = np.ascontiguousarray(raw.reshape(-1, itemsize).T)
        return zlib.compress(planes.data, self.level)

    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        stream = zlib.decompressobj()
        try:
            raw = stream.decompress(stored.data, nbytes)
            # If the output is full, the stream's end may be unread.
            more = b"" if stream.eof else stream.decompress(stream.unconsumed_tail, 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if len(raw) != nbytes or more or not stream.eof or stream.unused_data:
            raise ValueError(f"no zlib stream of {nbytes} bytes")
        decoded = np.frombuffer(raw, dtype=np.uint8)
        return np.ascontiguousarray(decoded.reshape(self.shuffled, -1).T).reshape(-1)

    def plausible(self, stored: int, nbytes: int) -> bool:
        # Stored blocks add 5 bytes to each 16 KiB, and a stream 6.
        return 0 < stored <= nbytes + nbytes // 1024 + 64
