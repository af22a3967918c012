"""A finished store written as one HDF5 file: the same store gives the same bytes, whenever it is written.

HDF5 writes through a handle of ours that never fails: what went wrong is kept and raised once the library has closed
the file, which it cannot be trusted to do after an error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.canonical import canonical_json
from dgkd_stores.codecs import RAW
from dgkd_stores.deflate import Deflate
from dgkd_stores.digests import Seal
from dgkd_stores.header import StoreHeader
from dgkd_stores.layout import ArrayLayout, StoreLayout

__all__ = ["ChunkToWrite", "write_hdf5"]

ChunkToWrite = tuple[ArrayLayout, tuple[int, ...], NDArray[Any]]
"""An array, where in its grid, and the elements there, without padding."""

_ALIGNMENT = 64
"""Of everything in the file: a mapped chunk must begin at a whole element, and may as well at a cache line."""


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
    with _created(path) as (file, sink):
        for name, text in sorted(texts.items()):
            file.create_dataset(name, data=np.frombuffer(text, dtype=np.uint8))
        for name, array in layout.arrays.items():
            if name in identity:
                file.create_dataset(name, data=identity[name])
            else:
                _create_chunked(file, array)
        for array, position, rows in chunks:
            start = tuple(at * size for at, size in zip(position, array.chunks, strict=True))
            file[array.name].id.write_direct_chunk(start, array.encode(rows))
            sink.check()


def _create_chunked(file: Any, array: ArrayLayout) -> None:
    filters: dict[str, Any] = {}
    if array.codec is not RAW:
        filters = {"compression": Deflate.level, "shuffle": array.numpy_dtype.itemsize > 1}
    file.create_dataset(
        array.name,
        shape=array.shape,
        dtype=array.numpy_dtype,
        chunks=array.chunks,
        fillvalue=array.fill_value if array.fill == "NaN" else None,
        **filters,
    )


@contextlib.contextmanager
def _created(path: Path) -> Iterator[tuple[Any, _Sink]]:
    import h5py

    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        sink = _Sink(handle)
        try:
            # Of v110 on all metadata has checksums; dates and orders of creation would make each file another one.
            with h5py.File(
                sink,
                "w",
                libver=("v110", "v110"),
                track_order=False,
                alignment_threshold=1,
                alignment_interval=_ALIGNMENT,
            ) as file:
                yield file, sink
        except Exception:
            sink.check()
            raise
        sink.check()
        os.fsync(handle)
    finally:
        os.close(handle)


class _Sink:
    """The file as HDF5 sees it; after the first failure nothing is written any more, and no call fails."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._failure: BaseException | None = None

    def check(self) -> None:
        """Raise what went wrong."""
        if self._failure is not None:
            raise self._failure

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._handle, offset, whence)

    def tell(self) -> int:
        return os.lseek(self._handle, 0, os.SEEK_CUR)

    def read(self, size: int = -1) -> bytes:
        raise NotImplementedError("h5py takes an object for a file that has this; it calls readinto")

    def readinto(self, into: memoryview) -> int:
        count = os.readv(self._handle, [into])
        into[count:] = bytes(len(into) - count)
        return len(into)

    def write(self, data: memoryview) -> int:
        try:
            left = data
            while len(left) and self._failure is None:
                left = left[os.write(self._handle, left) :]
        except BaseException as error:
            self._failure = error
        return len(data)

    def truncate(self, size: int) -> int:
        try:
            os.ftruncate(self._handle, size)
        except OSError as error:
            self._failure = self._failure or error
        return size

    def flush(self) -> None:
        """Every write is the system's already."""
