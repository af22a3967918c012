"""The most that a store may ask of a reader's memory, checked before anything of it is allocated."""

from __future__ import annotations

import math
from pathlib import Path

from dgkd_stores.coding.codecs import MAX_ENCODED_CHUNK_BYTES, RAW
from dgkd_stores.format.layout import StoreLayout
from dgkd_stores.format.metadata import unsafe

__all__ = ["MAX_CHUNKS", "MAX_OTHER_BYTES", "check_limits"]

MAX_CHUNKS = 2**24
"""The most chunks of one array."""

MAX_OTHER_BYTES = 2**30
"""The bytes of all arrays outside the records, which are read into memory: twice those of ImageNet over 300 views."""


def check_limits(path: Path, layout: StoreLayout) -> None:
    """`UnsafeStore` for more chunks, larger whole arrays or larger compressed chunks than are ever written."""
    rows = next(iter(layout.rows.values()))
    for problem, most, found in (
        ("too many chunks", MAX_CHUNKS, math.prod(rows.grid)),
        ("arrays beside the rows", MAX_OTHER_BYTES, sum(array.nbytes for array in layout.others.values())),
        (
            "compressed chunks that are too large",
            MAX_ENCODED_CHUNK_BYTES,
            max(array.chunk_bytes for array in layout.rows.values()) if layout.codec is not RAW else 0,
        ),
    ):
        if found > most:
            raise unsafe(path, problem, f"at most {most}", f"{found}")
