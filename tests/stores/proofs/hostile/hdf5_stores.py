"""HDF5 files: what HDF5's own library can put into one, and bytes changed under checksums that fit."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dgkd_stores import Damaged, UnsafeStore
from dgkd_stores.containers.hdf5_format import checksum

from .corpus import hostile

Arrays = dict[str, Any]


def rewrite(
    store: Path, change: Callable[[Any, Arrays], None] = lambda file, arrays: None, *, gzip: bool = False, **how: Any
) -> None:
    """The store as HDF5's own library writes it; `change` gets the file, and the arrays still to be written."""
    with h5py.File(store) as file:
        arrays = {name: file[name][...] for name in file}
        chunks = {name: file[name].chunks for name in file}
    store.unlink()
    how = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8} | how
    with h5py.File(store, "w", **how) as file:
        change(file, arrays)
        for name, array in arrays.items():
            more = {"compression": 5, "shuffle": True} if gzip and name == "logits" else {}
            file.create_dataset(name, data=array, chunks=chunks[name], **more)


def replace(store: Path, name: str, **how: Any) -> None:
    """One dataset made in another way."""
    rewrite(store, lambda file, arrays: file.create_dataset(name, **({"data": arrays.pop(name)} | how)))


def patch(store: Path, signature: bytes, number: int, offset: int, new: bytes) -> None:
    """Bytes within a block of metadata, under a checksum that fits again."""
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


def blocks_of(store: Path, signature: bytes) -> int:
    return store.read_bytes().count(signature)


@hostile(None, base="hdf5")
def hdf5_good(store: Path) -> None:
    """The control: as we write it."""


@hostile(None, base="hdf5")
def hdf5_of_the_library(store: Path) -> None:
    """The control: as HDF5's own library writes it, in the forms that FORMAT.md has."""
    rewrite(store)


@hostile(None, base="hdf5_gzip")
def hdf5_good_compressed(store: Path) -> None:
    """The control: compressed."""


@hostile(UnsafeStore, base="hdf5")
def hdf5_soft_link(store: Path) -> None:
    """A name for a path."""
    rewrite(store, lambda file, arrays: file.__setitem__("more", h5py.SoftLink("/logits")))


@hostile(UnsafeStore, base="hdf5")
def hdf5_soft_link_for_an_array(store: Path) -> None:
    """An array elsewhere in the file."""

    def change(file: Any, arrays: Arrays) -> None:
        arrays.pop("label")
        file["label"] = h5py.SoftLink("/test_label")

    rewrite(store, change)


@hostile(UnsafeStore, base="hdf5")
def hdf5_external_link(store: Path) -> None:
    """Another file, opened by whoever looks."""

    def change(file: Any, arrays: Arrays) -> None:
        arrays.pop("label")
        file["label"] = h5py.ExternalLink("/etc/passwd", "/")

    rewrite(store, change)


@hostile(UnsafeStore, base="hdf5")
def hdf5_external_storage(store: Path) -> None:
    """Labels from the bytes of another file."""
    rewrite(
        store,
        lambda file, arrays: file.create_dataset(
            "label", shape=arrays.pop("label").shape, dtype="<i8", external=[("/etc/passwd", 0, 192)]
        ),
    )


@hostile(UnsafeStore, base="hdf5")
def hdf5_virtual(store: Path) -> None:
    """Rows that are put together from other files."""

    def change(file: Any, arrays: Arrays) -> None:
        label = arrays.pop("label")
        layout = h5py.VirtualLayout(shape=label.shape, dtype="<i8")
        layout[:] = h5py.VirtualSource("/elsewhere.h5", "x", shape=label.shape)
        file.create_virtual_dataset("label", layout)

    rewrite(store, change)


@hostile(UnsafeStore, base="hdf5")
def hdf5_named_type(store: Path) -> None:
    """A type in a place of its own."""
    rewrite(store, lambda file, arrays: file.__setitem__("type", np.dtype("<f4")))


@hostile(UnsafeStore, base="hdf5")
def hdf5_array_of_a_named_type(store: Path) -> None:
    """A type that another object has."""

    def change(file: Any, arrays: Arrays) -> None:
        file["type"] = np.dtype("<i8")
        file.create_dataset("label", data=arrays.pop("label"), dtype=file["type"])

    rewrite(store, change)


@hostile(UnsafeStore, base="hdf5")
def hdf5_group(store: Path) -> None:
    """A group beside the arrays."""
    rewrite(store, lambda file, arrays: file.create_group("more"))


@hostile(UnsafeStore, base="hdf5")
def hdf5_group_for_an_array(store: Path) -> None:
    """A group where an array should be."""

    def change(file: Any, arrays: Arrays) -> None:
        arrays.pop("label")
        file.create_group("label")

    rewrite(store, change)


@hostile(UnsafeStore, base="hdf5")
def hdf5_loop(store: Path) -> None:
    """The root group within itself."""
    rewrite(store, lambda file, arrays: file.__setitem__("loop", file["/"]))


@hostile(UnsafeStore, base="hdf5")
def hdf5_attribute_of_the_root(store: Path) -> None:
    """Something beside."""
    rewrite(store, lambda file, arrays: file.attrs.__setitem__("x", np.zeros(10)))


@hostile(UnsafeStore, base="hdf5")
def hdf5_attribute_of_an_array(store: Path) -> None:
    """Something beside, one level down."""
    rewrite(
        store,
        lambda file, arrays: file.create_dataset("label", data=arrays.pop("label")).attrs.__setitem__("x", "y"),
    )


@hostile(UnsafeStore, base="hdf5")
def hdf5_text_of_any_length(store: Path) -> None:
    """Text in a heap, by addresses."""
    replace(store, "label", data=np.array(["a"] * 24, dtype=object), dtype=h5py.string_dtype())


@hostile(UnsafeStore, base="hdf5")
def hdf5_sequences(store: Path) -> None:
    """Arrays of any length."""
    replace(store, "label", data=None, shape=(24,), dtype=h5py.vlen_dtype(np.int64))


@hostile(UnsafeStore, base="hdf5")
def hdf5_references(store: Path) -> None:
    """Addresses of objects."""
    replace(store, "label", data=None, shape=(24,), dtype=h5py.ref_dtype)


@hostile(UnsafeStore, base="hdf5")
def hdf5_compound(store: Path) -> None:
    """Fields."""
    replace(store, "label", data=np.zeros(24, dtype=[("a", "<i4"), ("b", "<i4")]))


@hostile(UnsafeStore, base="hdf5")
def hdf5_enumeration(store: Path) -> None:
    """Names for numbers."""
    replace(store, "label", data=np.zeros(24, "<i8"), dtype=h5py.enum_dtype({"a": 0}, basetype="<i8"))


@hostile(UnsafeStore, base="hdf5")
def hdf5_opaque(store: Path) -> None:
    """Bytes without a meaning."""
    replace(store, "label", data=np.zeros(24, "V8"))


@hostile(UnsafeStore, base="hdf5")
def hdf5_big_endian(store: Path) -> None:
    """Every number turned around."""
    replace(store, "label", data=np.zeros(24, ">i8"))


@hostile(UnsafeStore, base="hdf5")
def hdf5_float64(store: Path) -> None:
    """Twice the bytes."""
    replace(store, "logits", dtype="<f8", chunks=(1, 16, 3))


@hostile(UnsafeStore, base="hdf5")
def hdf5_another_shape(store: Path) -> None:
    """Fewer labels than samples."""
    replace(store, "label", data=np.zeros(23, "<i8"))


@hostile(UnsafeStore, base="hdf5")
def hdf5_another_rank(store: Path) -> None:
    """The same labels as a table."""
    replace(store, "label", data=np.zeros((24, 1), "<i8"))


@hostile(UnsafeStore, base="hdf5")
def hdf5_that_can_grow(store: Path) -> None:
    """Without an end: another index of chunks."""
    replace(store, "logits", maxshape=(None, 24, 3), chunks=(1, 16, 3))


@hostile(UnsafeStore, base="hdf5")
def hdf5_contiguous_rows(store: Path) -> None:
    """Rows without chunks."""
    replace(store, "logits")


@hostile(UnsafeStore, base="hdf5")
def hdf5_chunked_labels(store: Path) -> None:
    """A whole array in parts."""
    replace(store, "label", chunks=(7,))


@hostile(UnsafeStore, base="hdf5")
def hdf5_lzf(store: Path) -> None:
    """A filter of one library."""
    replace(store, "logits", chunks=(1, 16, 3), compression="lzf")


@hostile(UnsafeStore, base="hdf5")
def hdf5_scale_offset(store: Path) -> None:
    """A filter that loses bits."""
    replace(store, "label", chunks=(24,), scaleoffset=0)


@hostile(UnsafeStore, base="hdf5")
def hdf5_fletcher(store: Path) -> None:
    """A checksum as a filter."""
    replace(store, "logits", chunks=(1, 16, 3), fletcher32=True)


def change_filter(store: Path, number: int) -> None:
    """Deflate, in the object header that has it, becomes another filter."""
    data = store.read_bytes()
    # Number, flags, how many values, level 4.
    found = re.search(rb"\x01\x00[\x00\x01]\x00\x01\x00\x04\x00\x00\x00", data)
    assert found is not None
    header = data.rindex(b"OHDR", 0, found.start())
    patch(store, b"OHDR", data.count(b"OHDR", 0, header), found.start() - header, struct.pack("<H", number))


@hostile(UnsafeStore, base="hdf5_gzip", says="filters|type")
def hdf5_unknown_filter(store: Path) -> None:
    """A registered one (Zstandard, 32015), for which HDF5 looks into a folder of plug-ins."""
    change_filter(store, 32015)


@hostile(UnsafeStore, base="hdf5_gzip", says="filters|type")
def hdf5_szip(store: Path) -> None:
    """Filter 4."""
    change_filter(store, 4)


@hostile(UnsafeStore, base="hdf5", says="filter mask|index")
def hdf5_filter_mask(store: Path) -> None:
    """A chunk that says its filters were left out."""

    def change(file: Any, arrays: Arrays) -> None:
        rows = arrays.pop("logits")
        made = file.create_dataset("logits", data=rows, chunks=(1, 16, 3), compression=5)
        made.id.write_direct_chunk((0, 0, 0), rows[0, :16].tobytes(), filter_mask=1)

    rewrite(store, change)


def direct(store: Path, stored: bytes) -> None:
    """The first chunk, compressed, as these bytes."""

    def change(file: Any, arrays: Arrays) -> None:
        made = file.create_dataset("logits", data=arrays.pop("logits"), chunks=(1, 16, 3), compression=5)
        made.id.write_direct_chunk((0, 0, 0), stored)

    rewrite(store, change)


@hostile(Damaged, base="hdf5", rows=True, says="zlib|bytes")
def hdf5_deflate_bomb(store: Path) -> None:
    """A thousandfold: 200 KiB in a chunk of 192 bytes."""
    direct(store, zlib.compress(bytes(200_000), 9))


@hostile(Damaged, base="hdf5", says="another size|bytes")
def hdf5_larger_deflate_bomb(store: Path) -> None:
    """64 MiB, in more bytes than a chunk can have."""
    direct(store, zlib.compress(bytes(2**26), 9))


@hostile(Damaged, base="hdf5", rows=True, says="zlib|bytes|stream")
def hdf5_deflate_garbage(store: Path) -> None:
    """No stream at all."""
    direct(store, np.random.default_rng(1).bytes(150))


@hostile(Damaged, base="hdf5", rows=True, says="zlib|bytes|stream")
def hdf5_deflate_cut(store: Path) -> None:
    """A stream without its end."""
    direct(store, zlib.compress(np.random.default_rng(1).bytes(192))[:-10])


def entry(store: Path, number: int, new: bytes) -> None:
    """An address in the index of chunks of `logits` or `digest`, in which order they stand in the file."""
    patch(store, b"FADB", number, 14, new)


@hostile(UnsafeStore, base="hdf5", says="lie elsewhere")
def hdf5_chunk_behind_the_end(store: Path) -> None:
    """An address beyond the file."""
    entry(store, 0, struct.pack("<Q", store.stat().st_size + 8))


@hostile(UnsafeStore, base="hdf5", says="lie elsewhere")
def hdf5_chunk_across_the_end(store: Path) -> None:
    """A chunk of which only the beginning is there."""
    entry(store, 1, struct.pack("<Q", store.stat().st_size - 8))


@hostile(UnsafeStore, base="hdf5", says="lie elsewhere")
def hdf5_chunk_that_overflows(store: Path) -> None:
    """An address that overflows once a size is added."""
    entry(store, 1, struct.pack("<Q", 2**64 - 9))


@hostile((Damaged, UnsafeStore), base="hdf5")
def hdf5_chunk_within_the_metadata(store: Path) -> None:
    """Digests read from the superblock on."""
    entry(store, 1, struct.pack("<Q", 8))


@hostile(Damaged, base="hdf5", says="cut short")
def hdf5_cut(store: Path) -> None:
    """Half of the file."""
    os.truncate(store, store.stat().st_size // 2)


@hostile(Damaged, base="hdf5", says="cut short|no HDF5")
def hdf5_cut_within_the_superblock(store: Path) -> None:
    """20 bytes."""
    os.truncate(store, 20)


@hostile(UnsafeStore, base="hdf5", says="another make")
def hdf5_of_a_terabyte(store: Path) -> None:
    """Sparse, behind what the superblock says is the end."""
    os.truncate(store, 2**40)


@hostile(UnsafeStore, base="hdf5", says="no HDF5 file")
def hdf5_user_block(store: Path) -> None:
    """512 bytes of anything before the file begins."""
    rewrite(store, userblock_size=512)


@hostile(UnsafeStore, base="hdf5")
def hdf5_of_an_old_library(store: Path) -> None:
    """Superblock 0, B-trees of version 1."""
    rewrite(store, libver="earliest")


@hostile(UnsafeStore, base="hdf5")
def hdf5_huge_header(store: Path) -> None:
    """32 MiB where the header's JSON should be."""
    replace(store, "dgkd", data=np.full(2**25, ord(" "), np.uint8))


@hostile(UnsafeStore, base="hdf5", says="JSON|canonical")
def hdf5_header_that_is_not_canonical(store: Path) -> None:
    """The same header in another spelling."""
    with h5py.File(store) as file:
        text = file["dgkd"][...].tobytes()
    replace(store, "dgkd", data=np.frombuffer(text + b" ", np.uint8))


@hostile(UnsafeStore, base="hdf5")
def hdf5_header_as_text(store: Path) -> None:
    """One string where bytes should be."""
    replace(store, "dgkd", data="{}")


@hostile(Damaged, base="hdf5", says="lost an array")
def hdf5_without_a_seal(store: Path) -> None:
    """Files are always finished."""
    rewrite(store, lambda file, arrays: arrays.pop("dgkd_seal"))


@hostile(Damaged, base="hdf5", says="seal|sealed")
def hdf5_of_another_seal(store: Path) -> None:
    """Zeros."""
    replace(store, "dgkd_seal", data=np.zeros(32, np.uint8))


@hostile(UnsafeStore, base="hdf5")
def hdf5_seal_too_long(store: Path) -> None:
    """64 digits in place of 32 bytes."""
    replace(store, "dgkd_seal", data=np.zeros(64, np.uint8))


@hostile(UnsafeStore, base="hdf5", says="a name that is none")
def hdf5_more_arrays(store: Path) -> None:
    """An array that nobody knows, under a name that acts on a terminal."""
    rewrite(store, lambda file, arrays: file.create_dataset("x\x1b[2J\u202e", data=np.zeros(3)))


@hostile(UnsafeStore, base="hdf5", says="too many names|names in another form")
def hdf5_hundreds_of_arrays(store: Path) -> None:
    """More names than are ever looked at."""

    def change(file: Any, arrays: Arrays) -> None:
        for number in range(300):
            file.create_dataset(f"x{number}", data=np.zeros(1))

    rewrite(store, change)


@hostile(Damaged, base="hdf5", says="checksum")
def hdf5_checksum_of_an_object(store: Path) -> None:
    """One bit of an object header."""
    data = bytearray(store.read_bytes())
    data[data.index(b"OHDR") + 20] ^= 1
    store.write_bytes(data)


@hostile(UnsafeStore, base="hdf5", says="large object header|beyond its end|odd message")
def hdf5_object_of_gigabytes(store: Path) -> None:
    """An object header that says so, before its checksum can be looked at."""
    data = bytearray(store.read_bytes())
    at = data.index(b"OHDR")
    data[at + 5 : at + 10] = bytes([2]) + struct.pack("<I", 2**32 - 1)
    store.write_bytes(data)


@hostile(UnsafeStore, base="hdf5", says="no HDF5 file")
def hdf5_that_is_text(store: Path) -> None:
    """A text file of that name."""
    store.write_text("no HDF5\n" * 1000)


@hostile((Damaged, UnsafeStore), base="hdf5")
def hdf5_signature_and_garbage(store: Path) -> None:
    """The first eight bytes are right."""
    store.write_bytes(store.read_bytes()[:8] + np.random.default_rng(1).bytes(5000))


@hostile((Damaged, UnsafeStore), base="hdf5")
def hdf5_that_is_empty(store: Path) -> None:
    """No bytes."""
    store.write_bytes(b"")


@hostile(UnsafeStore, base="hdf5", says="no plain file")
def hdf5_pipe(store: Path) -> None:
    """Opening waits for ever."""
    store.unlink()
    os.mkfifo(store)
