"""The idx format of MNIST (Yann LeCun's page): 00 00 type dimensions, big-endian sizes, then the elements.

Only unsigned bytes (type 8) are read, plain or gzipped; data that does not match the sizes is refused.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import DataUnreadable

__all__ = ["read_idx"]

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 8
_MOST_BYTES = 1 << 32


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Returns the array in `path`, uint8 with `dimensions` dimensions. Raises DataUnreadable naming the file."""
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == _GZIP
        with gzip.open(path) if zipped else path.open("rb") as stream:
            magic = stream.read(4)
            if magic != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
                raise _reading_error(path, f"an idx file of {dimensions}-dimensional bytes", f"magic {magic.hex()}")
            sizes = stream.read(4 * dimensions)
            if len(sizes) < 4 * dimensions:
                raise _reading_error(path, f"{dimensions} sizes after the magic number", f"{len(sizes)} bytes")
            shape = struct.unpack(f">{dimensions}I", sizes)
            # A hostile header must not cause endless reading or decompression.
            expected = math.prod(shape)
            if expected > _MOST_BYTES:
                raise _reading_error(path, f"at most {_MOST_BYTES} elements", f"sizes {list(shape)}")
            content = stream.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _reading_error(path, "a readable idx file", f"{type(error).__name__}: {error}") from error
    if len(content) != expected:
        found = "more" if len(content) > expected else str(len(content))
        raise _reading_error(path, f"{expected} elements for the sizes {list(shape)}", found)
    return np.frombuffer(content, dtype=np.uint8).reshape(shape).copy()


def _reading_error(path: Path, expected: str, found: str) -> DataUnreadable:
    return DataUnreadable(
        f"{path} cannot be read", expected=expected, found=found, do="delete the file and get it again"
    )
