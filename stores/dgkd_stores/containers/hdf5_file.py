"""The store as one HDF5 file, and the look at one before any of it is decoded.

HDF5's own code says where things lie, on a file that is checked first; chunks are mapped or decoded here, so an
uncompressed file is read at the speed of memory and no filter of HDF5's ever runs on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.canonical import JsonValue
from dgkd_stores.codecs import RAW, Codec
from dgkd_stores.deflate import Deflate
from dgkd_stores.digests import Seal
from dgkd_stores.errors import DamagedStore
from dgkd_stores.files import map_file
from dgkd_stores.header import StoreHeader
from dgkd_stores.layout import ArrayLayout, StoreLayout
from dgkd_stores.limits import check_limits
from dgkd_stores.metadata import MAX_METADATA_BYTES, parse_json, read_seal, unsafe

from .container import Container, Place, dump_again
from .hdf5_objects import StoredArray, chunk_places, opened_datasets, stored_array

__all__ = ["BESIDE", "Hdf5File"]

BESIDE = ("dgkd", "dgkd_digests", "dgkd_seal")
"""Datasets of bytes that stand for the attributes of a Zarr group: the header and the seal."""


@dataclass(frozen=True, kw_only=True)
class Hdf5File(Container):
    """A single file, finished."""

    kind = "hdf5"

    places: Mapping[str, NDArray[np.int64]]
    """Offset and size [*grid, 2] of every chunk of each array; zeros where there is none."""
    codecs: Mapping[str, Codec]
    """Of each array of the rows, with its shuffling."""

    @classmethod
    def inspect(cls, path: Path) -> Self:
        """Look a store over.

        `UnsafeStore` for whatever our writer does not make, `Mismatch` for a newer version of the format,
        `DamagedStore` for a file that is cut short or has lost an array.
        """
        with opened_datasets(path) as (datasets, size):
            file = _File(path, size, datasets)
            header, seal = file.header(), file.seal()
            layout = file.layout(header)
            check_limits(path, layout)
            file.check_names(layout, header)
            if set(seal.arrays) != set(layout.others):
                raise unsafe(path, "other arrays under the seal", ", ".join(layout.others), ", ".join(seal.arrays))
            places = {array.name: file.places(array) for array in layout.arrays.values()}
            codecs = {name: file.described(name).codec for name in layout.rows}
        present, wrong_size = {}, []
        for name, array in layout.arrays.items():
            there = places[name][..., 0] > 0
            sizes = places[name][..., 1].reshape(-1).tolist()
            possible = np.array([array.codec.plausible(nbytes, array.chunk_bytes) for nbytes in sizes], dtype=np.bool_)
            present[name] = there & possible.reshape(there.shape)
            wrong_size += [f"{name}/{array.key(*at)}" for at in np.argwhere(there & ~present[name]).tolist()]
        return cls(
            path=path,
            header=header,
            seal=seal,
            layout=layout,
            nbytes=size,
            present=present,
            wrong_size=tuple(wrong_size),
            places=places,
            codecs=codecs,
        )

    def place(self, array: ArrayLayout, position: tuple[int, ...]) -> Place:
        offset, nbytes = self.places[array.name][position].tolist()
        return Place(path=self.path, offset=offset, nbytes=nbytes, codec=self.codecs.get(array.name, RAW))

    def name_of(self, array: ArrayLayout, position: tuple[int, ...]) -> str:
        return f"{array.name}/{array.key(*position)}"


class _File:
    """A file that is open: its datasets, each held against what it should be before anything of it is used."""

    def __init__(self, path: Path, size: int, datasets: Mapping[str, Any]) -> None:
        self._path, self._size, self._datasets = path, size, datasets

    def header(self) -> StoreHeader:
        data = self._bytes("dgkd")
        header = StoreHeader.from_dict(parse_json(data, self._path))
        if header.canonical != data:
            raise unsafe(self._path, "a header that is not canonical JSON", "sorted keys, no white space", "other text")
        return header

    def seal(self) -> Seal:
        digests: JsonValue = parse_json(self._bytes("dgkd_digests"), self._path)
        return read_seal(self._path, self._bytes("dgkd_seal").hex(), digests)

    def layout(self, header: StoreHeader) -> StoreLayout:
        """The layout that the header implies, with the chunks and the codec that `logits` has."""
        found = self.described("logits")
        rows, samples = found.chunks[1] if found.chunks and len(found.chunks) == 3 else 0, header.dataset.samples
        if not 0 < rows <= samples or (rows != samples and rows % header.digest_rows):
            expected = f"{samples} rows in a chunk, or fewer in multiples of {header.digest_rows}"
            raise unsafe(self._path / "logits", "other chunks", expected, repr(found.chunks))
        return StoreLayout(header, chunk_rows=rows, codec=RAW if found.codec is RAW else Deflate())

    def check_names(self, layout: StoreLayout, header: StoreHeader) -> None:
        wanted = {*layout.arrays, *BESIDE}
        for odd in sorted({*self._datasets} - wanted):
            raise unsafe(self._path, "a name that is none of a guide store's", ", ".join(sorted(wanted)), odd)
        for lost in sorted(wanted - {*self._datasets}):
            raise self._lost(lost, dump_again(self._path, header))

    def described(self, name: str) -> StoredArray:
        if name not in self._datasets:
            raise self._lost(name, "copy or download it again")
        return stored_array(self._path, name, self._datasets[name])

    def places(self, array: ArrayLayout) -> NDArray[np.int64]:
        """Where the chunks of an array lie, within the file; `UnsafeStore` for an array that is not as laid out."""
        found, chunked = self.described(array.name), len(array.shape) == 3
        compressed = array.codec is not RAW
        for what, wanted, given in (
            ("dtype", array.dtype, found.dtype),
            ("shape", array.shape, found.shape),
            ("chunks", array.chunks if chunked else None, found.chunks),
            ("filters", compressed, found.codec is not RAW),
        ):
            if wanted != given:
                raise unsafe(self._path / array.name, what, f"{wanted}", f"{given}")
        if chunked:
            places = chunk_places(self._path, self._datasets[array.name], array)
        else:
            places = np.zeros((*array.grid, 2), dtype=np.int64)
            if found.offset is not None and array.nbytes:
                places[...] = found.offset, array.nbytes
        # What is mapped must be aligned: numpy copies a whole chunk that is not, for each batch.
        unit = 1 if compressed else array.numpy_dtype.itemsize
        inside = ((places >= 0) & (places <= self._size)).all() and (places.sum(axis=-1) <= self._size).all()
        if not inside or (places[..., 0] % unit).any():
            expected = f"chunks within {self._size} bytes, at multiples of {unit}"
            raise unsafe(self._path / array.name, "chunks that lie elsewhere", expected, "others")
        return places

    def _bytes(self, name: str) -> bytes:
        found = self.described(name)
        (size,) = found.shape if len(found.shape) == 1 else (-1,)
        if found.dtype != "uint8" or found.chunks or not 0 <= size <= MAX_METADATA_BYTES or found.offset is None:
            expected = f"at most {MAX_METADATA_BYTES} contiguous uint8"
            raise unsafe(self._path / name, "no bytes", expected, f"{found.shape} {found.dtype}")
        if found.offset + size > self._size:
            raise unsafe(self._path / name, "bytes that lie elsewhere", f"within {self._size}", f"{found.offset}")
        return map_file(self._path, found.offset, size).tobytes()

    def _lost(self, name: str, do: str) -> DamagedStore:
        return DamagedStore(f"{self._path} has lost an array", expected=name, found="no such dataset", do=do)
