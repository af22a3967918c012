"""The contract of codecs, the forms of a chunk's bytes on disk.

A codec always returns exactly the chunk's declared size, whatever size its input states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue

__all__ = ["Codec", "ZarrCodec"]


class Codec(ABC):
    """Converts the bytes of a chunk to and from their form on disk, in any container."""

    name: str

    @abstractmethod
    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        """Returns the bytes of the file for the flat bytes of a chunk with its padding."""

    @abstractmethod
    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        """Returns exactly `nbytes` bytes; raises ValueError for any other result."""

    @abstractmethod
    def plausible(self, stored: int, nbytes: int) -> bool:
        """Returns True if a file of `stored` bytes can hold a chunk of `nbytes`."""


class ZarrCodec(Codec):
    """A codec of an array in a Zarr folder, named in its zarr.json."""

    @abstractmethod
    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        """Returns the codecs after `bytes` in an array's zarr.json, as our writer writes them."""

    @abstractmethod
    def matches(self, found: JsonValue, itemsize: int) -> bool:
        """Returns True if `found`, in that place, is this codec; compression levels do not matter to a reader."""
