"""Writes a finished store as one HDF5 file: with h5py, in the forms that our reader takes.

HDF5 cannot close a file after a write that failed. So it writes to a file object that keeps the first failure to itself
and writes nothing more; the failure is raised once HDF5 has closed the file. Chunks are encoded here and handed over as
they are: HDF5 neither copies nor filters them, and padding is that of a Zarr folder.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import canonical_json
from dgkd_stores.coding.codecs import RAW, Deflate
from dgkd_stores.coding.digests import Seal
from dgkd_stores.disk.files import write_all
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import ArrayLayout, StoreLayout

__all__ = ["ChunkToWrite", "write_hdf5"]

ChunkToWrite = tuple[ArrayLayout, tuple[int, ...], NDArray[Any]]
"""An array, where in its grid, and the elements there, without padding."""

# For readers from HDF5 1.10 on. A mapped chunk must begin at a whole element. Gaps stay smaller than any chunk: in gaps
# of more bytes HDF5 looks for room before each of the following (at 64 it took 11 s for 40,000 chunks, and 1.4 s at 8).
_FORM = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8}


def write_hdf5(
    path: Path,
    header: StoreHeader,
    layout: StoreLayout,
    identity: Mapping[str, NDArray[Any]],
    chunks: Iterable[ChunkToWrite],
    *,
    seal: Seal,
) -> None:
    """Writes the file, durable but for its name; `chunks`: of the digests and of the rows. Raises `OSError`."""
    # Loaded here, because h5py takes 0.2 s and only this function needs it.
    import h5py

    texts = {
        "dgkd": header.canonical,
        "dgkd_digests": canonical_json(seal.arrays),
        "dgkd_seal": bytes.fromhex(seal.digest),
    }
    whole = {name: np.frombuffer(text, dtype=np.uint8) for name, text in texts.items()} | dict(identity)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        disk = _Disk(handle, "r+b", closefd=False)
        try:
            with h5py.File(disk, "w", **_FORM) as file:
                for name, array in sorted(whole.items()):
                    file.create_dataset(name, data=array, track_times=False)
                chunked = {array.name: _chunked(file, array) for array in (layout.digest, *layout.rows.values())}
                for array, position, rows in chunks:
                    start = tuple(index * size for index, size in zip(position, array.chunks, strict=True))
                    chunked[array.name].id.write_direct_chunk(start, array.encode(rows))
                    disk.check()
        finally:
            disk.check()
        os.fsync(handle)
    finally:
        os.close(handle)


class _Disk(io.FileIO):
    """The file that HDF5 sees, on which nothing ever fails; `check` raises what did fail, an interrupt included."""

    failure: BaseException | None = None

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._try(write_all, view)
        return view.nbytes

    def truncate(self, size: int | None = None) -> int:
        assert size is not None
        self._try(os.ftruncate, size)
        return size

    def _try(self, change: Callable[[int, Any], None], argument: Any) -> None:
        if self.failure is None:
            try:
                change(self.fileno(), argument)
            except BaseException as failure:  # kept for `check`: after an error of any kind HDF5 cannot close the file
                self.failure = failure


def _chunked(file: Any, array: ArrayLayout) -> Any:
    """Returns a new dataset in the chunks of `array`."""
    itemsize = array.numpy_dtype.itemsize
    filters = {} if array.codec is RAW else {"compression": Deflate.level, "shuffle": itemsize > 1}
    return file.create_dataset(
        array.name,
        shape=array.shape,
        dtype=array.numpy_dtype,
        chunks=array.chunks,
        fillvalue=array.fill_value if array.fill else None,
        track_times=False,
        **filters,
    )
