"""What an HDF5 file says lies where in it, from a short list of what it may say; none of its data is read.

The library sees the file through a handle of ours, which bounds what it reads, and never runs a filter. Source: the
HDF5 file format specification, version 3.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.codecs import RAW, Codec
from dgkd_stores.deflate import Deflate
from dgkd_stores.errors import DamagedStore, DgkdError
from dgkd_stores.files import plain_file
from dgkd_stores.layout import ArrayLayout
from dgkd_stores.metadata import unsafe
from dgkd_stores.text import clean

__all__ = [
    "MAX_INDEX_BYTES",
    "MAX_NAMES",
    "SIGNATURE",
    "StoredArray",
    "chunk_places",
    "opened_datasets",
    "stored_array",
]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCK_BYTES = 48

MAX_NAMES = 64
"""Datasets in a file."""

MAX_INDEX_BYTES = 2**30
"""Of names, shapes and chunk indices that HDF5 reads: 2^24 chunks take half of it."""

_UNDEFINED = b"\xff" * 8
_SHUFFLE, _DEFLATE = 2, 1


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """One dataset, as the file describes it."""

    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    """None for a contiguous one."""
    codec: Codec
    offset: int | None
    """Of a contiguous one that has storage."""


@contextlib.contextmanager
def opened_datasets(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The datasets of a file (`h5py.h5d.DatasetID`) by name, and its size, while the `with` lasts.

    `UnsafeStore` for a link, pipe or device, for anything that is no HDF5, for whatever is in the root group but
    plain datasets, and for all that the library itself refuses in the meantime; `DamagedStore` for a file that is
    shorter than it says.
    """
    import h5py

    with plain_file(path) as (handle, size):
        _check_superblock(path, os.pread(handle, SUPERBLOCK_BYTES, 0), size)
        try:
            with h5py.File(_Metadata(path, handle), "r") as file:
                yield _datasets(path, file.id), size
        except DgkdError:
            raise
        except Exception as error:
            raise unsafe(path, "no proper HDF5", "a file that HDF5 can read", str(error)) from error


def stored_array(path: Path, name: str, dataset: Any) -> StoredArray:
    """The description of a dataset; `UnsafeStore` for any type, storage or filter that no writer of ours uses."""
    from h5py import h5d, h5s

    where = path / name
    # First what the file says of the storage: asked for anything else, a virtual dataset opens other files.
    storage = dataset.get_create_plist()
    layout = storage.get_layout()
    if layout not in (h5d.CONTIGUOUS, h5d.CHUNKED) or storage.get_external_count():
        raise unsafe(where, "storage elsewhere or of another kind", "contiguous or chunked", f"layout {layout}")
    kind, space = dataset.get_type(), dataset.get_space()
    types = _types()
    dtype = next((known for known, h5_type in types.items() if kind.equal(h5_type)), None)
    if dtype is None or kind.committed():
        raise unsafe(where, "another type", f"one of {', '.join(types)}, little-endian", type(kind).__name__)
    if space.get_simple_extent_type() != h5s.SIMPLE:
        raise unsafe(where, "no array", "dimensions", "none")
    shape, largest = space.get_simple_extent_dims(), space.get_simple_extent_dims(maxdims=True)
    if shape != largest:
        raise unsafe(where, "an array that can grow", f"at most {shape}", f"{largest}")
    chunked = layout == h5d.CHUNKED
    return StoredArray(
        dtype=dtype,
        shape=shape,
        chunks=storage.get_chunk() if chunked else None,
        codec=_codec(where, storage, np.dtype(dtype).itemsize),
        offset=None if chunked else dataset.get_offset(),
    )


def chunk_places(path: Path, dataset: Any, array: ArrayLayout) -> NDArray[np.int64]:
    """Offset and size [*grid, 2] of every chunk of a chunked dataset; zeros for one that is not there.

    `UnsafeStore` for a chunk that is none of the array's, and for one that left out a filter.
    """
    places = np.zeros((*array.grid, 2), dtype=np.int64)

    def note(chunk: Any) -> None:
        position = tuple(at // size for at, size in zip(chunk.chunk_offset, array.chunks, strict=True))
        start = tuple(at * size for at, size in zip(position, array.chunks, strict=True))
        inside = all(at < size for at, size in zip(position, array.grid, strict=True))
        if start != chunk.chunk_offset or not inside or chunk.filter_mask:
            found = f"{chunk.chunk_offset} with filter mask {chunk.filter_mask}"
            raise unsafe(path / array.name, "a chunk that is none of this array's", f"one within {array.shape}", found)
        places[position] = chunk.byte_offset, chunk.size

    dataset.chunk_iter(note)
    return places


class _Metadata:
    """The file as HDF5 sees it: through an open handle, read-only, and not more than `MAX_INDEX_BYTES` of it."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle = path, handle
        self._at, self._left = 0, MAX_INDEX_BYTES

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (os.fstat(self._handle).st_size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        raise NotImplementedError("h5py takes an object for a file that has this; it calls readinto")

    def readinto(self, into: memoryview) -> int:
        self._left -= len(into)
        if self._left < 0:
            raise unsafe(self._path, "too much metadata", f"at most {MAX_INDEX_BYTES} bytes", "more")
        # Whatever is not read would be taken from memory as it was.
        if (count := os.preadv(self._handle, [into], self._at)) != len(into):
            raise unsafe(self._path, "metadata beyond its end", f"{len(into)} bytes at {self._at}", f"{count}")
        return count

    def flush(self) -> None:
        """Nothing is written."""


def _check_superblock(path: Path, block: bytes, size: int) -> None:
    """Only the plain one: no user block, no extension (which may name drivers and other files), nothing after it."""
    if not block.startswith(SIGNATURE) and not SIGNATURE.startswith(block):
        raise unsafe(path, "no HDF5 file", "the signature of HDF5 at its beginning", repr(block[:8]))
    end = int.from_bytes(block[28:36], "little")
    if size < SUPERBLOCK_BYTES or end > size:
        raise DamagedStore(
            f"{clean(str(path))} is cut short: damaged",
            expected=f"{max(end, SUPERBLOCK_BYTES)} bytes",
            found=f"{size}",
            do="copy or download it again",
        )
    version, plain = block[8], bytes([8, 8, 0])
    if version not in (2, 3) or block[9:12] != plain or block[12:28] != bytes(8) + _UNDEFINED or end != size:
        expected = f"a superblock of version 2 or 3 alone, for {size} bytes"
        raise unsafe(path, "an HDF5 file of another make", expected, block[8:36].hex())


def _datasets(path: Path, file: Any) -> dict[str, Any]:
    from h5py import h5a, h5d, h5g, h5l, h5o

    root = h5g.open(file, b"/")
    count = root.get_num_objs()
    if count > MAX_NAMES:
        raise unsafe(path, "too many names", f"at most {MAX_NAMES}", f"{count}")
    names: list[bytes] = []
    root.links.iterate(names.append)
    datasets = {}
    for name in names:
        shown = name.decode("utf-8", "replace")
        if root.links.get_info(name).type != h5l.TYPE_HARD:
            raise unsafe(path, "a link", "datasets alone", shown)
        opened = h5o.open(root, name)
        if not isinstance(opened, h5d.DatasetID):
            raise unsafe(path, "neither group nor type may be in it", "datasets alone", shown)
        if h5a.get_num_attrs(opened):
            raise unsafe(path, "attributes", "none", shown)
        datasets[shown] = opened
    if h5a.get_num_attrs(root):
        raise unsafe(path, "attributes", "none", "some of the root group")
    return datasets


def _types() -> dict[str, Any]:
    from h5py import h5t

    return {
        "uint8": h5t.STD_U8LE,
        "int32": h5t.STD_I32LE,
        "int64": h5t.STD_I64LE,
        "float16": h5t.IEEE_F16LE,
        "float32": h5t.IEEE_F32LE,
    }


def _codec(where: Path, storage: Any, itemsize: int) -> Codec:
    filters = [storage.get_filter(number)[::2] for number in range(min(storage.get_nfilters(), 3))]
    codes = [code for code, _ in filters]
    if not filters:
        return RAW
    shuffled = filters[0] == (_SHUFFLE, (itemsize,))
    if codes == [_SHUFFLE] * shuffled + [_DEFLATE] and len(filters[-1][1]) == 1 and filters[-1][1][0] <= 9:
        return Deflate(itemsize if shuffled else 1)
    raise unsafe(where, "filters", "none, deflate, or shuffle and deflate", f"{filters}")
