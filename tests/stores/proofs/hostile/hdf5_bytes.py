"""HDF5 files whose bytes are changed: cut, grown or replaced, or metadata under checksums that fit again."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dgkd_stores import Damaged, DgkdError, UnsafeStore
from dgkd_stores.containers.hdf5_blocks import checksum

from .corpus import enter, hostile


def patch(store: Path, signature: bytes, number: int, offset: int, new: bytes) -> None:
    """Replace bytes within a block of metadata, under a checksum that fits again."""
    data = bytearray(store.read_bytes())
    at = -1
    for _ in range(number + 1):
        at = data.index(signature, at + 1)
    for length in range(12, 2000):
        if int.from_bytes(data[at + length : at + length + 4], "little") == checksum(bytes(data[at : at + length])):
            break
    else:
        raise AssertionError(f"no block at {at}")
    data[at + offset : at + offset + len(new)] = new
    data[at + length : at + length + 4] = struct.pack("<I", checksum(bytes(data[at : at + length])))
    store.write_bytes(data)


def change_filter(store: Path, number: int) -> None:
    """Name another filter than Deflate in the object header that has it."""
    data = store.read_bytes()
    # Number, flags, how many values, level 4.
    found = re.search(rb"\x01\x00[\x00\x01]\x00\x01\x00\x04\x00\x00\x00", data)
    assert found is not None
    header = data.rindex(b"OHDR", 0, found.start())
    patch(store, b"OHDR", data.count(b"OHDR", 0, header), found.start() - header, struct.pack("<H", number))


def move_chunk(store: Path, index: int, address: Callable[[int], int]) -> None:
    """Set the first address in an index of chunks, by the size of the file: 0 is that of `logits`, 1 of `digest`."""
    patch(store, b"FADB", index, 14, struct.pack("<Q", address(store.stat().st_size)))


def replace(store: Path, change: Callable[[bytes], bytes]) -> None:
    store.write_bytes(change(store.read_bytes()))


def at_the_first_object(data: bytes, offset: int, change: Callable[[bytes], bytes], size: int) -> bytes:
    """The file with some bytes of the first object header changed, under the checksum that it had."""
    start = data.index(b"OHDR") + offset
    return data[:start] + change(data[start : start + size]) + data[start + size :]


@hostile(UnsafeStore, base="hdf5", says="another make")
def hdf5_of_a_terabyte(store: Path) -> None:
    """Sparse, behind what the superblock says is the end."""
    os.truncate(store, 2**40)


@hostile(UnsafeStore, base="hdf5", says="no plain file")
def hdf5_pipe(store: Path) -> None:
    """Opening waits for ever."""
    store.unlink()
    os.mkfifo(store)


FILTERS = [
    (
        "hdf5_unknown_filter",
        32015,
        "A registered one (Zstandard, 32015), for which HDF5 looks into a folder of plug-ins.",
    ),
    ("hdf5_szip", 4, "Filter 4."),
]
"""Name, number of the filter of the rows, what it tries."""

for name, number, tries in FILTERS:
    enter(name, tries, partial(change_filter, number=number), UnsafeStore, base="hdf5_gzip", says="filters|type")


NAMES_IN_A_HEAP: list[tuple[str, bytes, int, int, str]] = [
    ("hdf5_heap_without_width", b"FRHP", 110, 0, "A table of no columns, on which HDF5's own library crashes."),
    ("hdf5_tree_of_more_names", b"BTHD", 27, 1, "256 more names in all than in the leaf: that library crashes, too."),
]
"""Name, a block, a byte in it, its new value, what it tries."""

for name, signature, offset, value, tries in NAMES_IN_A_HEAP:
    change = partial(patch, signature=signature, number=0, offset=offset, new=bytes([value]))
    enter(name, tries, change, UnsafeStore, base="hdf5", says="names in another form")


Refused = type[DgkdError] | tuple[type[DgkdError], ...]

ADDRESSES: list[tuple[str, int, Callable[[int], int], Refused, str, str]] = [
    (
        "hdf5_chunk_behind_the_end",
        0,
        lambda size: size + 8,
        UnsafeStore,
        "lie elsewhere",
        "An address beyond the file.",
    ),
    (
        "hdf5_chunk_across_the_end",
        1,
        lambda size: size - 8,
        UnsafeStore,
        "lie elsewhere",
        "A chunk of which only the beginning is there.",
    ),
    (
        "hdf5_chunk_that_overflows",
        1,
        lambda size: 2**64 - 9,
        UnsafeStore,
        "lie elsewhere",
        "An address that overflows once a size is added.",
    ),
    (
        "hdf5_chunk_within_the_metadata",
        1,
        lambda size: 8,
        (Damaged, UnsafeStore),
        "",
        "Digests read from the superblock on.",
    ),
]
"""Name, an index of chunks, the first address in it by the size of the file, the refusal, its words, what it tries."""

for name, index, address, refused, says, tries in ADDRESSES:
    enter(name, tries, partial(move_chunk, index=index, address=address), refused, base="hdf5", says=says)


BYTES: list[tuple[str, Callable[[bytes], bytes], Refused, str, str]] = [
    ("hdf5_cut", lambda data: data[: len(data) // 2], Damaged, "cut short", "Half of the file."),
    ("hdf5_cut_within_the_superblock", lambda data: data[:20], Damaged, "cut short|no HDF5", "20 bytes."),
    (
        "hdf5_checksum_of_an_object",
        lambda data: at_the_first_object(data, 20, lambda old: bytes([old[0] ^ 1]), 1),
        Damaged,
        "checksum",
        "One bit of an object header.",
    ),
    (
        "hdf5_object_of_gigabytes",
        lambda data: at_the_first_object(data, 5, lambda old: struct.pack("<BI", 2, 2**32 - 1), 5),
        UnsafeStore,
        "large object header|beyond its end|odd message",
        "An object header that says so, before its checksum can be looked at.",
    ),
    ("hdf5_that_is_text", lambda data: b"no HDF5\n" * 1000, UnsafeStore, "no HDF5 file", "A text file of that name."),
    (
        "hdf5_signature_and_garbage",
        lambda data: data[:8] + np.random.default_rng(1).bytes(5000),
        (Damaged, UnsafeStore),
        "",
        "The first eight bytes are right.",
    ),
    ("hdf5_that_is_empty", lambda data: b"", (Damaged, UnsafeStore), "", "No bytes."),
]
"""Name, the change to the bytes of the file, the refusal, its words, what it tries."""

for name, change, refused, says, tries in BYTES:
    enter(name, tries, partial(replace, change=change), refused, base="hdf5", says=says)
