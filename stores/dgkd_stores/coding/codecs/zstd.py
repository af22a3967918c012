"""The codec `zstd`: Zstandard (RFC 8878). Source: the Zarr v3 codec `zstd`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs.abc import Compressor, is_integer_within

__all__ = ["Zstd"]


class Zstd(Compressor):
    """One Zstandard frame for each chunk."""

    name = "zstd"
    level = 3

    def configuration(self, itemsize: int) -> dict[str, JsonValue]:
        # The frame's own checksum, so that any reader notices a damaged file, not only ours.
        return {"level": self.level, "checksum": True}

    def accepts(self, given: dict[str, Any]) -> bool:
        return is_integer_within(given["level"], -(2**17), 22) and isinstance(given["checksum"], bool)

    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        from numcodecs import zstd

        return bytes(zstd.compress(raw, level=self.level, checksum=True))

    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        into = np.empty(nbytes, dtype=np.uint8)
        # The library reports neither the decoded size nor too little data. Output that fits into `nbytes` but not into
        # one byte less has that size; a size that the frame states is compared before decoding.
        if _fits(stored, into[:-1]):
            raise ValueError(f"less than {nbytes} bytes")
        if not _fits(stored, into):
            raise ValueError(f"no frame of {nbytes} bytes")
        return into


def _fits(stored: NDArray[np.uint8], into: NDArray[np.uint8]) -> bool:
    from numcodecs import zstd

    try:
        zstd.decompress(stored, into)
    except (RuntimeError, ValueError):
        return False
    return True
