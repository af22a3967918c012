"""Digests of blocks of rows, and the seal over a whole store.

Both cover raw little-endian elements only, so compressing, re-chunking or moving to another container changes
neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["block_digest", "block_digests", "records", "seal_of"]


def records(arrays: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """The bytes [B, row bytes] of rows: for each row the raw elements of its arrays, in name order."""
    parts = [np.ascontiguousarray(array).view(np.uint8) for array in arrays]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def block_digest(arrays: Sequence[NDArray[Any]]) -> bytes:
    """SHA-256 of the records of one block."""
    return hashlib.sha256(records(arrays).data).digest()


def block_digests(arrays: Sequence[NDArray[Any]], digest_rows: int) -> NDArray[np.uint8]:
    """Digests [blocks, 32] of consecutive blocks of `digest_rows` rows; the last block may be shorter."""
    starts = range(0, len(arrays[0]), digest_rows)
    digests = [block_digest([array[start : start + digest_rows] for array in arrays]) for start in starts]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)


def seal_of(canonical_header: bytes, arrays: Mapping[str, NDArray[Any]]) -> str:
    """The seal, 64 hexadecimal digits: SHA-256 over the header, then each array outside the records, by name.

    An array adds its name in UTF-8, a zero byte, and the SHA-256 of its raw little-endian bytes in C order.
    """
    seal = hashlib.sha256(canonical_header)
    for name in sorted(arrays):
        seal.update(name.encode() + b"\0" + hashlib.sha256(np.ascontiguousarray(arrays[name]).data).digest())
    return seal.hexdigest()
