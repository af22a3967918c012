"""Reads the datasets of an HDF5 file and the locations of their bytes, in the few forms that a store may use.

Source: the HDF5 file format specification, version 3.0, sections IV.A.2 (messages) and VII.C (fixed arrays).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.codecs import RAW, Codec, Deflate
from dgkd_stores.containers.hdf5_blocks import UNDEFINED, Blocks
from dgkd_stores.format.layout import ArrayLayout
from dgkd_stores.format.metadata import unsafe

__all__ = ["DATATYPE", "DATATYPES", "StoredArray", "places", "stored_array"]

_DATASPACE, DATATYPE, _FILL, _LAYOUT, _FILTERS = 1, 3, 5, 8, 11
"""Types of messages in the object header of a dataset."""

_CONTIGUOUS, _CHUNKED = 1, 2
_SINGLE_CHUNK, _FIXED_ARRAY = 1, 3
"""Types of chunk indexes."""

_DEFLATE, _SHUFFLE = 1, 2

DATATYPES = {
    "uint8": bytes.fromhex("10000000 01000000 0000 0800"),
    "uint16": bytes.fromhex("10000000 02000000 0000 1000"),
    "int32": bytes.fromhex("10080000 04000000 0000 2000"),
    "int64": bytes.fromhex("10080000 08000000 0000 4000"),
    "float16": bytes.fromhex("11200f00 02000000 0000 1000 0a 05 00 0a 0f000000"),
    "float32": bytes.fromhex("11201f00 04000000 0000 2000 17 08 00 17 7f000000"),
}
"""The message of each type: class, byte order, size, bits, and where the parts of a floating-point number are."""


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """A dataset, from its object header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    """None for a contiguous one."""
    codec: Codec
    address: int | None
    """The address of the bytes, of the only chunk, or of the chunk index; None without storage."""
    nbytes: int
    """The size of a contiguous one, or of the only chunk."""
    indexed: bool


def stored_array(blocks: Blocks, name: str, at: int) -> StoredArray:
    """Returns the dataset whose object header is at `at`; raises UnsafeStore for other types, storage or filters."""
    where = blocks.path / name
    found = blocks.messages(at)
    messages = dict(found)
    needed = {_DATASPACE, DATATYPE, _LAYOUT}
    if len(messages) != len(found) or not needed <= messages.keys() <= needed | {_FILL, _FILTERS}:
        kinds = ", ".join(str(kind) for kind, _ in found)
        raise unsafe(where, "no plain dataset", "shape, type, fill, filters and layout alone", f"messages {kinds}")
    dtype = next((known for known, message in DATATYPES.items() if message == messages[DATATYPE]), None)
    if dtype is None:
        raise unsafe(where, "another type", f"one of {', '.join(DATATYPES)}, little-endian", messages[DATATYPE].hex())
    codec = _codec(where, messages.get(_FILTERS), np.dtype(dtype).itemsize)
    shape = _shape(where, messages[_DATASPACE])
    return _storage(where, messages[_LAYOUT], name=name, dtype=dtype, shape=shape, codec=codec)


def places(blocks: Blocks, found: StoredArray, array: ArrayLayout) -> NDArray[np.int64]:
    """Returns offset and size [*grid, 2] of every chunk, each within the file; zeros for a missing one."""
    shape = (*array.grid, 2)
    if math.prod(array.grid) > blocks.size:
        # Checked before an allocation of that size: files are finished, and a chunk has at least one byte.
        expected = f"at most {blocks.size}, as many as the file has bytes"
        raise unsafe(blocks.path / array.name, "chunks", expected, f"{math.prod(array.grid)}")
    if found.address is None or not array.nbytes:
        return np.zeros(shape, dtype=np.int64)
    entries = _fixed_array(blocks, found, array) if found.indexed else [(found.address, found.nbytes)]
    table = np.array(entries, dtype=np.uint64)
    table[table[:, 0] == UNDEFINED] = 0
    # Mapped chunks must be aligned: numpy would copy an unaligned one as a whole for each batch.
    unit = 1 if array.codec is not RAW else array.numpy_dtype.itemsize
    # Compared separately: the sum may overflow.
    if (table > blocks.size).any() or (table.sum(axis=1) > blocks.size).any() or (table[:, 0] % np.uint64(unit)).any():
        expected = f"chunks within {blocks.size} bytes, at multiples of {unit}"
        raise unsafe(blocks.path / array.name, "chunks that lie elsewhere", expected, "others")
    return table.astype(np.int64).reshape(shape)


def _shape(where: Path, message: bytes) -> tuple[int, ...]:
    version, rank, flags, kind = message[:4] if len(message) >= 4 else (0, 0, 0, 0)
    if (version, kind) != (2, 1) or not 1 <= rank <= 3 or flags > 1 or len(message) != 4 + 8 * rank * (1 + flags):
        raise unsafe(where, "another shape", "a dataspace of version 2 and 1 to 3 dimensions", message.hex())
    sizes = struct.unpack(f"<{rank * (1 + flags)}Q", message[4:])
    if flags and sizes[:rank] != sizes[rank:]:
        raise unsafe(where, "an array that can grow", f"at most {sizes[:rank]}", f"{sizes[rank:]}")
    return sizes[:rank]


def _codec(where: Path, message: bytes | None, itemsize: int) -> Codec:
    if message is None:
        return RAW
    # Version and count; of each filter: id, flags, count of values, value.
    shuffle, deflate = struct.pack("<HxxHI", _SHUFFLE, 1, itemsize), struct.pack("<HxxH", _DEFLATE, 1)
    stages = message[2:8] + message[8:]
    plain = [
        stages[start : start + 2] + b"\0\0" + stages[start + 4 : start + 10] for start in range(0, len(stages), 10)
    ]
    level_fits = len(plain) in (1, 2) and plain[-1][:6] == deflate and int.from_bytes(plain[-1][6:], "little") <= 9
    if message[:2] != bytes([2, len(plain)]) or not level_fits or plain[:-1] not in ([], [shuffle]):
        raise unsafe(where, "filters", "none, deflate, or shuffle and deflate", message.hex())
    return Deflate(itemsize if plain[:-1] else 1)


def _storage(
    where: Path, message: bytes, *, name: str, dtype: str, shape: tuple[int, ...], codec: Codec
) -> StoredArray:
    itemsize, rank = np.dtype(dtype).itemsize, len(shape)
    chunks: tuple[int, ...] | None = None
    nbytes, indexed = math.prod(shape) * itemsize, False
    width = message[4] if len(message) > 4 else 0
    if message[:2] in (bytes([3, _CONTIGUOUS]), bytes([4, _CONTIGUOUS])) and len(message) == 18 and codec is RAW:
        address, size = struct.unpack("<QQ", message[2:])
        if address != UNDEFINED and size != nbytes:
            raise unsafe(where, "storage of another size", f"{nbytes} bytes", f"{size}")
    elif message[:2] == bytes([4, _CHUNKED]) and message[3:4] == bytes([rank + 1]) and 1 <= width <= 8:
        flags, at = message[2], 5 + width * (rank + 1)
        sizes = [int.from_bytes(message[start : start + width], "little") for start in range(5, at, width)]
        chunks, tail = tuple(sizes[:-1]), message[at:]
        nbytes = math.prod(sizes)
        if tail[:1] == bytes([_SINGLE_CHUNK]) and len(tail) == 9 and not flags and codec is RAW:
            address = int.from_bytes(tail[1:], "little")
        elif tail[:1] == bytes([_SINGLE_CHUNK]) and len(tail) == 21 and flags == 2 and codec is not RAW:
            nbytes, mask, address = struct.unpack("<QIQ", tail[1:])
            if mask:
                raise unsafe(where, "a chunk without its filters", "filter mask 0", f"{mask}")
        elif tail[:1] == bytes([_FIXED_ARRAY]) and len(tail) == 10 and not flags:
            address, indexed = int.from_bytes(tail[2:], "little"), True
        else:
            raise unsafe(where, "another index of chunks", "a single chunk or a fixed array", message.hex())
        if sizes[-1] != itemsize:
            raise unsafe(where, "other elements", f"{itemsize} bytes", f"{sizes[-1]}")
    else:
        raise unsafe(where, "storage of another kind", "contiguous, or chunked as of HDF5 1.10", message.hex())
    return StoredArray(
        name=name,
        dtype=dtype,
        shape=shape,
        chunks=chunks,
        codec=codec,
        address=None if address == UNDEFINED else address,
        nbytes=nbytes,
        indexed=indexed,
    )


def _fixed_array(blocks: Blocks, found: StoredArray, array: ArrayLayout) -> NDArray[np.uint64]:
    """Returns address and size [chunks, 2] of all chunks in grid order."""
    where, count, filtered = blocks.path / found.name, math.prod(array.grid), array.codec is not RAW
    assert found.address is not None
    head = blocks.block(found.address, 28, b"FAHD")
    version, client, entry, bits, stated, data_at = struct.unpack("<4xBBBBQQ", head)
    if (version, client, stated) != (0, int(filtered), count) or not 0 < bits <= 32:
        raise unsafe(where, "another index of chunks", f"a fixed array of {count}", head.hex())
    if (not filtered and entry != 8) or (filtered and not 13 <= entry <= 20):
        raise unsafe(where, "another index of chunks", "entries of 8, or 13 to 20 bytes", f"{entry}")
    table = np.zeros((count, 2), dtype=np.uint64)
    table[:, 0] = UNDEFINED
    if data_at == UNDEFINED:
        return table
    for first, entries in _pages(blocks, data_at, count, entry, 1 << bits):
        bytes_CE = np.frombuffer(entries, dtype=np.uint8).reshape(-1, entry)
        last = first + len(bytes_CE)
        table[first:last, 0] = bytes_CE[:, :8].copy().view("<u8")[:, 0]
        table[first:last, 1] = found.nbytes
        if filtered:
            sizes_C8 = np.zeros((len(bytes_CE), 8), dtype=np.uint8)
            sizes_C8[:, : entry - 12] = bytes_CE[:, 8:-4]
            table[first:last, 1] = sizes_C8.view("<u8")[:, 0]
            if bytes_CE[:, -4:].any():
                raise unsafe(where, "a chunk without its filters", "filter mask 0", "another")
    return table


def _pages(blocks: Blocks, at: int, count: int, entry: int, most: int) -> list[tuple[int, bytes]]:
    """Returns the first number and the entries of each written page of `most` entries."""
    pages = -(-count // most)
    if pages == 1:
        return [(0, blocks.block(at, 14 + count * entry + 4, b"FADB\0")[14:])]
    bitmap = -(-pages // 8)
    head = blocks.block(at, 14 + bitmap + 4, b"FADB\0")
    written = np.unpackbits(np.frombuffer(head[14:], dtype=np.uint8))[:pages]
    start, size = at + 14 + bitmap + 4, most * entry + 4
    return [
        (page * most, blocks.block(start + page * size, min(most, count - page * most) * entry + 4))
        for page in np.flatnonzero(written).tolist()
    ]
