"""Digests of blocks of rows, and the seal over a whole store.

Both cover raw little-endian elements only, so codec, chunking and container do not change them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Seal",
    "array_digest",
    "block_digest",
    "block_digests",
    "differing_blocks",
    "records",
    "seal_of",
    "compute_seal",
]

COMPARED_BYTES = 2**22
"""Compared at a time by `differing_blocks`."""


def records(arrays: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Returns the bytes [B, row bytes] of rows: for each row the raw elements of its arrays, in name order."""
    parts = [np.ascontiguousarray(array).view(np.uint8) for array in arrays]
    if len(parts) == 1:
        return parts[0]
    records_BR = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), np.uint8)
    first = 0
    for part in parts:
        # A row's bytes as one opaque element: three times as fast as single bytes.
        row = f"V{part.shape[1]}"
        records_BR[:, first : first + part.shape[1]].view(row)[...] = part.view(row)
        first += part.shape[1]
    return records_BR


def block_digest(arrays: Sequence[NDArray[Any]]) -> bytes:
    """Returns SHA-256 of the records of one block."""
    return hashlib.sha256(records(arrays).data).digest()


def block_digests(arrays: Sequence[NDArray[Any]], digest_rows: int) -> NDArray[np.uint8]:
    """Returns the digests [blocks, 32] of consecutive blocks of `digest_rows` rows; the last may be shorter."""
    starts = range(0, len(arrays[0]), digest_rows)
    digests = [block_digest([array[start : start + digest_rows] for array in arrays]) for start in starts]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)


def differing_blocks(first_VB32: NDArray[np.uint8], second_VB32: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Returns which blocks [V, blocks] have another digest in the second, compared a few megabytes at a time."""
    differing_VB = np.zeros(first_VB32.shape[:2], dtype=np.bool_)
    step = max(1, COMPARED_BYTES // max(1, first_VB32[:1].nbytes))
    for start in range(0, len(first_VB32), step):
        views = slice(start, start + step)
        found = (first_VB32[views] != second_VB32[views]).any(axis=2)
        # Equal parts are not written: untouched zeros take no memory.
        if found.any():
            differing_VB[views] = found
    return differing_VB


@dataclass(frozen=True, kw_only=True)
class Seal:
    """The seal of a finished store, and the digests of its arrays under it."""

    digest: str
    """The seal itself, 64 hexadecimal digits."""
    arrays: Mapping[str, str]
    """SHA-256 in hex of each array outside the records, to find the damaged one if the seal does not match."""


def array_digest(array: NDArray[Any]) -> str:
    """Returns SHA-256 in hex of an array's raw little-endian bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def seal_of(canonical_header: bytes, digests: Mapping[str, str]) -> str:
    """Returns the seal: SHA-256 over the header, then each array outside the records, by name.

    An array, of which `digests` has the SHA-256 in hex, adds its name in UTF-8, a zero byte, and that SHA-256.
    """
    seal = hashlib.sha256(canonical_header)
    for name in sorted(digests):
        seal.update(name.encode() + b"\0" + bytes.fromhex(digests[name]))
    return seal.hexdigest()


def compute_seal(canonical_header: bytes, arrays: Mapping[str, NDArray[Any]]) -> Seal:
    """Returns the seal over a header and the arrays outside the records."""
    digests = {name: array_digest(array) for name, array in arrays.items()}
    return Seal(digest=seal_of(canonical_header, digests), arrays=digests)
