"""The contract of codecs, the forms of a chunk's bytes on disk.

A codec always returns exactly the chunk's declared size, whatever size its input states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue

__all__ = ["Codec", "Compressor", "ZarrCodec", "is_integer_within"]


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


class Compressor(ZarrCodec):
    """A codec that is one stage after `bytes`, with a configuration."""

    @abstractmethod
    def configuration(self, itemsize: int) -> dict[str, JsonValue]:
        """Returns the stage's configuration, as our writer writes it."""

    @abstractmethod
    def accepts(self, given: dict[str, Any]) -> bool:
        """Returns True if another writer's configuration, which has our keys, is supported."""

    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        return [{"name": self.name, "configuration": self.configuration(itemsize)}]

    def matches(self, found: JsonValue, itemsize: int) -> bool:
        match found:
            case [{"name": self.name, "configuration": dict(given), **others}] if not others:
                return set(given) == set(self.configuration(itemsize)) and self.accepts(given)
        return False

    def plausible(self, stored: int, nbytes: int) -> bool:
        # Incompressible data grows by a header and a fraction of a percent.
        return 0 < stored <= nbytes + nbytes // 64 + 4096


def is_integer_within(value: object, least: int, most: int) -> bool:
    """Returns True if `value` is an integer from `least` to `most`; a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
