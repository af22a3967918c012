"""A finished store written as one HDF5 file: the same store gives the same bytes, with any version of any library.

Data first, as it comes; then what says where it lies; the superblock last. Source: the HDF5 file format specification,
version 3.0, in the forms that HDF5 1.10 and later write.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import canonical_json
from dgkd_stores.coding.codecs import RAW
from dgkd_stores.coding.codecs.deflate import Deflate
from dgkd_stores.coding.digests import Seal
from dgkd_stores.containers.hdf5_format import (
    CHUNKED,
    CONTIGUOUS,
    DATASPACE,
    DATATYPE,
    DATATYPES,
    DEFLATE,
    FILL,
    FILTERS,
    FIXED_ARRAY,
    GROUP_INFO,
    LAYOUT,
    LINK,
    LINK_INFO,
    PAGE_BITS,
    SHUFFLE,
    SIGNATURE,
    SUPERBLOCK_BYTES,
    UNDEFINED,
    add_checksum,
)
from dgkd_stores.disk.files import write_all
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import ArrayLayout, StoreLayout

__all__ = ["ChunkToWrite", "write_hdf5"]

ChunkToWrite = tuple[ArrayLayout, tuple[int, ...], NDArray[Any]]
"""An array, where in its grid, and the elements there, without padding."""

_ALIGNMENT = 64
"""The alignment of everything in the file: a mapped chunk must begin at a whole element; this is a cache line."""

Messages = Iterable[tuple[int, int, bytes]]
"""Type, flags (1: it never changes) and content."""


def write_hdf5(
    path: Path,
    header: StoreHeader,
    layout: StoreLayout,
    identity: Mapping[str, NDArray[Any]],
    chunks: Iterable[ChunkToWrite],
    *,
    seal: Seal,
) -> None:
    """Make the file, durable but for its name; `chunks` are those of the digests and of the rows. Raises `OSError`."""
    texts = {
        "dgkd": header.canonical,
        "dgkd_digests": canonical_json(seal.arrays),
        "dgkd_seal": bytes.fromhex(seal.digest),
    }
    whole = {name: np.frombuffer(text, dtype=np.uint8) for name, text in texts.items()} | dict(identity)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        file = _Appended(handle)
        file.append(bytes(SUPERBLOCK_BYTES))
        contiguous = {name: file.append(array.data) for name, array in sorted(whole.items()) if array.nbytes}
        # Address and size of every chunk.
        chunked = {
            array.name: np.full((*array.grid, 2), UNDEFINED, dtype="<u8")
            for array in (layout.digest, *layout.rows.values())
        }
        for array, position, rows in chunks:
            stored = array.encode(rows)
            chunked[array.name][position] = file.append(stored), memoryview(stored).nbytes
        objects = {
            name: file.append(_object_header(_contiguous(array, contiguous.get(name, UNDEFINED))))
            for name, array in whole.items()
        }
        for name, places in chunked.items():
            array = layout.arrays[name]
            objects[name] = file.append(_object_header(_chunked(array, _append_index(file, array, places))))
        root = file.append(_object_header(_root(objects)))
        superblock = SIGNATURE + bytes([3, 8, 8, 0]) + struct.pack("<QQQQ", 0, UNDEFINED, file.end, root)
        os.lseek(handle, 0, os.SEEK_SET)
        write_all(handle, add_checksum(superblock))
        os.fsync(handle)
    finally:
        os.close(handle)


class _Appended:
    """A new file that is written from its beginning to its end, every piece at a multiple of `_ALIGNMENT`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.end = 0

    @property
    def next(self) -> int:
        """The address of what is appended next."""
        return -(-self.end // _ALIGNMENT) * _ALIGNMENT

    def append(self, data: bytes | memoryview) -> int:
        """Write a piece; its address."""
        address, view = self.next, memoryview(data).cast("B")
        write_all(self._handle, bytes(address - self.end))
        write_all(self._handle, view)
        self.end = address + len(view)
        return address


def _append_index(file: _Appended, array: ArrayLayout, places: NDArray[np.uint64]) -> int:
    """A fixed array of the chunks, in pages where there are many; its address."""
    count, filtered = math.prod(array.grid), array.codec is not RAW
    flat_C2 = places.reshape(count, 2)
    entries_CE = np.ascontiguousarray(flat_C2[:, :1]).view(np.uint8)
    if filtered:
        # HDF5 expects this width: one byte more than the size of a chunk needs, for data that grow. Then the mask, 0.
        width = min(8, 1 + (array.chunk_bytes.bit_length() + 7) // 8)
        sizes_C8 = np.ascontiguousarray(flat_C2[:, 1:]).view(np.uint8)
        entries_CE = np.hstack([entries_CE, sizes_C8[:, :width], np.zeros((count, 4), dtype=np.uint8)])
    head_at = file.next
    data_at = -(-(head_at + 28) // _ALIGNMENT) * _ALIGNMENT
    kind = bytes([0, int(filtered)])
    head = b"FAHD" + kind + struct.pack("<BBQQ", entries_CE.shape[1], PAGE_BITS, count, data_at)
    file.append(add_checksum(head))
    block, page = b"FADB" + kind + struct.pack("<Q", head_at), 1 << PAGE_BITS
    if count <= page:
        file.append(add_checksum(block + entries_CE.tobytes()))
    else:
        written = np.packbits(np.ones(-(-count // page), dtype=np.bool_)).tobytes()
        pages = [add_checksum(entries_CE[first : first + page].tobytes()) for first in range(0, count, page)]
        file.append(b"".join([add_checksum(block + written), *pages]))
    return head_at


def _object_header(messages: Messages) -> bytes:
    body = b"".join(struct.pack("<BHB", kind, len(content), flags) + content for kind, flags, content in messages)
    # Flags 1: the length takes two bytes.
    return add_checksum(b"OHDR\2\1" + struct.pack("<H", len(body)) + body)


def _contiguous(array: NDArray[Any], address: int) -> Messages:
    yield DATASPACE, 0, _dataspace(array.shape)
    yield DATATYPE, 1, DATATYPES[array.dtype.name]
    # Space is allocated late, the fill (the default) is written where it was set.
    yield FILL, 1, bytes([3, 0b1010])
    yield LAYOUT, 0, bytes([3, CONTIGUOUS]) + struct.pack("<QQ", address, array.nbytes)


def _chunked(array: ArrayLayout, index: int) -> Messages:
    itemsize = array.numpy_dtype.itemsize
    yield DATASPACE, 0, _dataspace(array.shape)
    yield DATATYPE, 1, DATATYPES[array.dtype]
    # Space is allocated chunk by chunk; a fill that is not 0 is stated, for a chunk that gets lost.
    fill = np.array(array.fill_value, dtype=array.numpy_dtype).tobytes() if array.fill else b""
    yield FILL, 1, bytes([3, 0b101011]) + struct.pack("<I", itemsize) + fill if fill else bytes([3, 0b1011])
    if array.codec is not RAW:
        stages = [(SHUFFLE, itemsize)] * (itemsize > 1) + [(DEFLATE, Deflate.level)]
        # Of each: id, flags (1: a chunk may do without), count of values, value.
        yield FILTERS, 1, bytes([2, len(stages)]) + b"".join(struct.pack("<HHHI", id, 1, 1, x) for id, x in stages)
    sizes = (*array.chunks, itemsize)
    width = (max(sizes).bit_length() + 7) // 8
    dimensions = b"".join(size.to_bytes(width, "little") for size in sizes)
    head = bytes([4, CHUNKED, 0, len(sizes), width])
    yield LAYOUT, 0, head + dimensions + bytes([FIXED_ARRAY, PAGE_BITS]) + struct.pack("<Q", index)


def _root(objects: Mapping[str, int]) -> Messages:
    yield LINK_INFO, 0, bytes(2) + struct.pack("<QQ", UNDEFINED, UNDEFINED)
    yield GROUP_INFO, 1, bytes(2)
    for name, address in sorted(objects.items()):
        yield LINK, 0, bytes([1, 0, len(name)]) + name.encode() + struct.pack("<Q", address)


def _dataspace(shape: tuple[int, ...]) -> bytes:
    return bytes([2, len(shape), 1, 1]) + struct.pack(f"<{2 * len(shape)}Q", *shape, *shape)
