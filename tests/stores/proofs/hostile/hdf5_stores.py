"""HDF5 files of HDF5's own library: what it can put into one beside the forms that FORMAT.md has."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dgkd_stores import Damaged, UnsafeStore

from .corpus import enter, hostile

Arrays = dict[str, Any]
Change = Callable[[Any, Arrays], Any]
"""Gets the new file, and the arrays that are still to be written into it."""

GZIP = {"compression": 5, "chunks": (1, 16, 3)}


def rewrite(store: Path, change: Change = lambda file, arrays: None, **how: Any) -> None:
    """Write the store again through HDF5's own library, with a change."""
    with h5py.File(store) as file:
        arrays = {name: file[name][...] for name in file}
        chunks = {name: file[name].chunks for name in file}
    store.unlink()
    how = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8} | how
    with h5py.File(store, "w", **how) as file:
        change(file, arrays)
        for name, array in arrays.items():
            file.create_dataset(name, data=array, chunks=chunks[name])


def make_array(name: str, **how: Any) -> Change:
    """One array, made in another way."""
    return lambda file, arrays: file.create_dataset(name, **{"data": arrays.pop(name, None)} | how)


def put(name: str, value: Any) -> Change:
    """A link or a type under a name, be it that of an array."""

    def change(file: Any, arrays: Arrays) -> None:
        arrays.pop(name, None)
        file[name] = value

    return change


def make_group(name: str) -> Change:
    def change(file: Any, arrays: Arrays) -> None:
        arrays.pop(name, None)
        file.create_group(name)

    return change


def of_a_named_type(file: Any, arrays: Arrays) -> None:
    file["type"] = np.dtype("<i8")
    file.create_dataset("label", data=arrays.pop("label"), dtype=file["type"])


def virtual(file: Any, arrays: Arrays) -> None:
    label = arrays.pop("label")
    layout = h5py.VirtualLayout(shape=label.shape, dtype="<i8")
    layout[:] = h5py.VirtualSource("/elsewhere.h5", "x", shape=label.shape)
    file.create_virtual_dataset("label", layout)


def hundreds(file: Any, arrays: Arrays) -> None:
    for number in range(300):
        file.create_dataset(f"x{number}", data=np.zeros(1))


def unfiltered(file: Any, arrays: Arrays) -> None:
    first = arrays["logits"][0, :16].tobytes()
    make_array("logits", **GZIP)(file, arrays).id.write_direct_chunk((0, 0, 0), first, filter_mask=1)


def write_chunk(store: Path, stored: Callable[[], bytes]) -> None:
    """Store these bytes as the first chunk of rows that are said to be compressed."""

    def change(file: Any, arrays: Arrays) -> None:
        make_array("logits", **GZIP)(file, arrays).id.write_direct_chunk((0, 0, 0), stored())

    rewrite(store, change)


@hostile(None, base="hdf5")
def hdf5_good(store: Path) -> None:
    """The control: as we write it."""


@hostile(None, base="hdf5_gzip")
def hdf5_good_compressed(store: Path) -> None:
    """The control: compressed."""


@hostile(UnsafeStore, base="hdf5")
def hdf5_huge_header(store: Path) -> None:
    """32 MiB where the header's JSON should be."""
    rewrite(store, make_array("dgkd", data=np.full(2**25, ord(" "), np.uint8)))


@hostile(UnsafeStore, base="hdf5", says="JSON|canonical")
def hdf5_header_that_is_not_canonical(store: Path) -> None:
    """The same header in another spelling."""
    with h5py.File(store) as file:
        text = file["dgkd"][...].tobytes()
    rewrite(store, make_array("dgkd", data=np.frombuffer(text + b" ", np.uint8)))


LIBRARY = [
    (
        "hdf5_of_the_library",
        {},
        None,
        "",
        "The control: as HDF5's own library writes it, in the forms that FORMAT.md has.",
    ),
    (
        "hdf5_user_block",
        {"userblock_size": 512},
        UnsafeStore,
        "no HDF5 file",
        "512 bytes of anything before the file begins.",
    ),
    ("hdf5_of_an_old_library", {"libver": "earliest"}, UnsafeStore, "", "Superblock 0, B-trees of version 1."),
]
"""Name, how the library is told to write, the refusal, its words, what it tries."""

for name, how, refused, says, tries in LIBRARY:
    enter(name, tries, partial(rewrite, **how), refused, base="hdf5", says=says)


OBJECTS: list[tuple[str, Change, str]] = [
    ("hdf5_soft_link", put("more", h5py.SoftLink("/logits")), "A name for a path."),
    ("hdf5_soft_link_for_an_array", put("label", h5py.SoftLink("/test_label")), "An array elsewhere in the file."),
    (
        "hdf5_external_link",
        put("label", h5py.ExternalLink("/etc/passwd", "/")),
        "Another file, opened by whoever looks.",
    ),
    (
        "hdf5_external_storage",
        make_array("label", data=None, shape=(24,), dtype="<i8", external=[("/etc/passwd", 0, 192)]),
        "Labels from the bytes of another file.",
    ),
    ("hdf5_virtual", virtual, "Rows that are put together from other files."),
    ("hdf5_named_type", put("type", np.dtype("<f4")), "A type in a place of its own."),
    ("hdf5_array_of_a_named_type", of_a_named_type, "A type that another object has."),
    ("hdf5_group", make_group("more"), "A group beside the arrays."),
    ("hdf5_group_for_an_array", make_group("label"), "A group where an array should be."),
    (
        "hdf5_loop",
        lambda file, arrays: file.__setitem__("loop", file["/"]),
        "The root group within itself.",
    ),
    (
        "hdf5_attribute_of_the_root",
        lambda file, arrays: file.attrs.__setitem__("x", np.zeros(10)),
        "Something beside.",
    ),
    (
        "hdf5_attribute_of_an_array",
        lambda file, arrays: make_array("label")(file, arrays).attrs.__setitem__("x", "y"),
        "Something beside, one level down.",
    ),
]
"""Name, the change to what is in the file, what it tries."""

DATASETS: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "hdf5_text_of_any_length",
        "label",
        {"data": np.array(["a"] * 24, dtype=object), "dtype": h5py.string_dtype()},
        "Text in a heap, by addresses.",
    ),
    (
        "hdf5_sequences",
        "label",
        {"data": None, "shape": (24,), "dtype": h5py.vlen_dtype(np.int64)},
        "Arrays of any length.",
    ),
    ("hdf5_references", "label", {"data": None, "shape": (24,), "dtype": h5py.ref_dtype}, "Addresses of objects."),
    ("hdf5_compound", "label", {"data": np.zeros(24, dtype=[("a", "<i4"), ("b", "<i4")])}, "Fields."),
    (
        "hdf5_enumeration",
        "label",
        {"data": np.zeros(24, "<i8"), "dtype": h5py.enum_dtype({"a": 0}, basetype="<i8")},
        "Names for numbers.",
    ),
    ("hdf5_opaque", "label", {"data": np.zeros(24, "V8")}, "Bytes without a meaning."),
    ("hdf5_big_endian", "label", {"data": np.zeros(24, ">i8")}, "Every number turned around."),
    ("hdf5_float64", "logits", {"dtype": "<f8", "chunks": (1, 16, 3)}, "Twice the bytes."),
    ("hdf5_another_shape", "label", {"data": np.zeros(23, "<i8")}, "Fewer labels than samples."),
    ("hdf5_another_rank", "label", {"data": np.zeros((24, 1), "<i8")}, "The same labels as a table."),
    (
        "hdf5_that_can_grow",
        "logits",
        {"maxshape": (None, 24, 3), "chunks": (1, 16, 3)},
        "Without an end: another index of chunks.",
    ),
    ("hdf5_contiguous_rows", "logits", {}, "Rows without chunks."),
    ("hdf5_chunked_labels", "label", {"chunks": (7,)}, "A whole array in parts."),
    ("hdf5_lzf", "logits", {"chunks": (1, 16, 3), "compression": "lzf"}, "A filter of one library."),
    ("hdf5_scale_offset", "label", {"chunks": (24,), "scaleoffset": 0}, "A filter that loses bits."),
    ("hdf5_fletcher", "logits", {"chunks": (1, 16, 3), "fletcher32": True}, "A checksum as a filter."),
    ("hdf5_header_as_text", "dgkd", {"data": "{}"}, "One string where bytes should be."),
    ("hdf5_seal_too_long", "dgkd_seal", {"data": np.zeros(64, np.uint8)}, "64 digits in place of 32 bytes."),
]
"""Name, an array, how it is made, what that tries."""

OBJECTS += [(name, make_array(array, **how), tries) for name, array, how, tries in DATASETS]

for name, change, tries in OBJECTS:
    enter(name, tries, partial(rewrite, change=change), UnsafeStore, base="hdf5")


OTHER_REFUSALS: list[tuple[str, Change, type[Damaged] | type[UnsafeStore], str, str]] = [
    (
        "hdf5_without_a_seal",
        lambda file, arrays: arrays.pop("dgkd_seal"),
        Damaged,
        "lost an array",
        "Files are always finished.",
    ),
    ("hdf5_of_another_seal", make_array("dgkd_seal", data=np.zeros(32, np.uint8)), Damaged, "seal|sealed", "Zeros."),
    (
        "hdf5_more_arrays",
        make_array("x\x1b[2J\u202e", data=np.zeros(3)),
        UnsafeStore,
        "a name that is none",
        "An array that nobody knows, under a name that acts on a terminal.",
    ),
    (
        "hdf5_hundreds_of_arrays",
        hundreds,
        UnsafeStore,
        "too many names|names in another form",
        "More names than are ever looked at.",
    ),
    ("hdf5_filter_mask", unfiltered, UnsafeStore, "filter mask|index", "A chunk that says its filters were left out."),
]
"""Name, the change to what is in the file, the refusal, its words, what it tries."""

for name, change, refused, says, tries in OTHER_REFUSALS:
    enter(name, tries, partial(rewrite, change=change), refused, base="hdf5", says=says)


CHUNKS: list[tuple[str, Callable[[], bytes], bool, str, str]] = [
    (
        "hdf5_deflate_bomb",
        lambda: zlib.compress(bytes(200_000), 9),
        True,
        "zlib|bytes",
        "A thousandfold: 200 KiB in a chunk of 192 bytes.",
    ),
    (
        "hdf5_larger_deflate_bomb",
        lambda: zlib.compress(bytes(2**26), 9),
        False,
        "another size|bytes",
        "64 MiB, in more bytes than a chunk can have.",
    ),
    (
        "hdf5_deflate_garbage",
        lambda: np.random.default_rng(1).bytes(150),
        True,
        "zlib|bytes|stream",
        "No stream at all.",
    ),
    (
        "hdf5_deflate_cut",
        lambda: zlib.compress(np.random.default_rng(1).bytes(192))[:-10],
        True,
        "zlib|bytes|stream",
        "A stream without its end.",
    ),
]
"""Name, the bytes of a compressed chunk, whether only decoding tells, words of the refusal, what they try."""

for name, stored, rows, says, tries in CHUNKS:
    enter(name, tries, partial(write_chunk, stored=stored), Damaged, base="hdf5", rows=rows, says=says)
