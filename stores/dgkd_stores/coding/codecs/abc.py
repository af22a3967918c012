"""The contracts of codecs, the forms of a chunk's bytes on disk.

A codec never gives out more or fewer bytes than the chunk's declared size, whatever its input says of itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue

__all__ = ["Codec", "ZarrCodec"]


class Codec(ABC):
    """One way to hold the bytes of a chunk, in any container."""

    name: str

    @abstractmethod
    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        """The bytes of the file for the flat bytes of a chunk with its padding."""

    @abstractmethod
    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        """Exactly `nbytes` bytes; `ValueError` for anything that is not exactly that."""

    @abstractmethod
    def plausible(self, stored: int, nbytes: int) -> bool:
        """True where a file of `stored` bytes can hold a chunk of `nbytes`."""


class ZarrCodec(Codec):
    """One that an array of a Zarr folder can have: its zarr.json says so."""

    @abstractmethod
    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        """The codecs after `bytes` in an array's zarr.json, as our writer writes it."""

    @abstractmethod
    def matches(self, found: JsonValue, itemsize: int) -> bool:
        """True where `found`, in that place, means this codec: levels and the like do not matter to a reader."""
