"""The codec `none`: a chunk's file holds the elements themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs.abc import ZarrCodec

__all__ = ["RAW", "Raw"]


class Raw(ZarrCodec):
    """Stores the elements themselves."""

    name = "none"

    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        return []

    def matches(self, found: JsonValue, itemsize: int) -> bool:
        return found == []

    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        return raw.data

    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        if stored.size != nbytes:
            raise ValueError(f"{stored.size} bytes")
        return stored

    def plausible(self, stored: int, nbytes: int) -> bool:
        return stored == nbytes


RAW = Raw()
