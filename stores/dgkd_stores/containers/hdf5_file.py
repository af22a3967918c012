"""A store as one HDF5 file, inspected before any of it is decoded.

Metadata is read in the few forms that a store may use, and chunks are mapped or decoded here. HDF5's library, which a
hostile file can crash, is not used, and an uncompressed file is read at memory speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs import RAW, Codec, Deflate
from dgkd_stores.coding.digests import Seal
from dgkd_stores.containers.chunking import rows_in_chunks
from dgkd_stores.containers.container import Container, Place, how_to_mend
from dgkd_stores.containers.hdf5_blocks import Blocks
from dgkd_stores.containers.hdf5_objects import StoredArray, places, stored_array
from dgkd_stores.disk.files import plain_file
from dgkd_stores.errors import Damaged
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import ArrayLayout, StoreLayout
from dgkd_stores.format.limits import MAX_METADATA_BYTES
from dgkd_stores.format.metadata import parse_json, read_seal, unsafe

__all__ = ["BESIDE", "Hdf5File"]

BESIDE = ("dgkd", "dgkd_digests", "dgkd_seal")
"""Datasets of bytes that replace the attributes of a Zarr group: the header and the seal."""


@dataclass(frozen=True, kw_only=True)
class Hdf5File(Container):
    """A finished store in a single file."""

    kind = "hdf5"

    places: Mapping[str, NDArray[np.int64]]
    """Offset and size [*grid, 2] of every chunk of each array; zeros for a missing one."""
    codecs: Mapping[str, Codec]
    """The codec of each row array, with its shuffling."""

    @classmethod
    def inspect(cls, path: Path) -> Self:
        """Inspects a store.

        Raises UnsafeStore for anything that our writer does not make, Mismatch for a newer version of the format,
        Damaged for a file that is truncated or lacks an array.
        """
        with plain_file(path) as (handle, size):
            return cls.of_blocks(Blocks(path, handle, size))

    @classmethod
    def of_blocks(cls, blocks: Blocks) -> Self:
        """Inspects a store whose metadata `blocks` reads, wherever the file is; raises as `inspect`."""
        path, file = blocks.path, _File(blocks)
        header, seal = file.head()
        layout = file.layout(header)
        layout.check_limits(path)
        chunks = {array.name: file.places(array) for array in layout.arrays.values()}
        codecs = {name: file.described(name).codec for name in layout.rows}
        present, wrong_size = {}, []
        for name, array in layout.arrays.items():
            there = chunks[name][..., 0] > 0
            sizes = chunks[name][..., 1].reshape(-1).tolist()
            possible = np.array([array.codec.plausible(nbytes, array.chunk_bytes) for nbytes in sizes], dtype=np.bool_)
            present[name] = there & possible.reshape(there.shape)
            wrong_size += [cls.name_of(array, tuple(at)) for at in np.argwhere(there & ~present[name]).tolist()]
        return cls(
            path=path,
            header=header,
            seal=seal,
            layout=layout,
            nbytes=blocks.size,
            present=present,
            wrong_size=tuple(wrong_size),
            places=chunks,
            codecs=codecs,
        )

    @classmethod
    def read_head(cls, path: Path) -> tuple[StoreHeader, Seal]:
        """Returns the header and the seal; raises as `inspect` for them and for the names of the datasets."""
        with plain_file(path) as (handle, size):
            return _File(Blocks(path, handle, size)).head()

    def place(self, array: ArrayLayout, position: tuple[int, ...]) -> Place:
        offset, nbytes = self.places[array.name][position].tolist()
        return Place(path=self.path, offset=offset, nbytes=nbytes, codec=self.codecs.get(array.name, RAW))


class _File:
    """An open file: its datasets, each checked before it is used."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks, self._path, self._names = blocks, blocks.path, blocks.names()

    def head(self) -> tuple[StoreHeader, Seal]:
        data = self._bytes("dgkd")
        header = StoreHeader.from_dict(parse_json(data, self._path))
        if header.canonical != data:
            raise unsafe(self._path, "a header that is not canonical JSON", "sorted keys, no white space", "other text")
        layout = StoreLayout(header, chunk_rows=header.dataset.samples)  # for the names
        wanted = {*layout.arrays, *BESIDE}
        for odd in sorted({*self._names} - wanted):
            raise unsafe(self._path, "a name that is none of a guide store's", ", ".join(sorted(wanted)), odd)
        for lost in sorted(wanted - {*self._names}):
            raise self._lost(lost, how_to_mend(self._path))
        digests: JsonValue = parse_json(self._bytes("dgkd_digests"), self._path)
        return header, read_seal(self._path, self._bytes("dgkd_seal").hex(), digests, arrays=layout.others)

    def layout(self, header: StoreHeader) -> StoreLayout:
        """Returns the layout of the header, with the chunks and the codec of `logits`."""
        found = self.described("logits")
        rows = rows_in_chunks(self._path / "logits", header, found.chunks)
        return StoreLayout(header, chunk_rows=rows, codec=RAW if found.codec is RAW else Deflate())

    def described(self, name: str) -> StoredArray:
        if name not in self._names:
            raise self._lost(name, "copy or download it again")
        return stored_array(self._blocks, name, self._names[name])

    def places(self, array: ArrayLayout) -> NDArray[np.int64]:
        """Returns the locations of an array's chunks; raises UnsafeStore for an array with another layout."""
        found = self.described(array.name)
        for what, wanted, given in (
            ("dtype", array.dtype, found.dtype),
            ("shape", array.shape, found.shape),
            ("chunks", array.chunks if len(array.shape) == 3 else None, found.chunks),
            ("filters", array.codec is not RAW, found.codec is not RAW),
        ):
            if wanted != given:
                raise unsafe(self._path / array.name, what, f"{wanted}", f"{given}")
        return places(self._blocks, found, array)

    def _bytes(self, name: str) -> bytes:
        found = self.described(name)
        if found.dtype != "uint8" or found.chunks or len(found.shape) != 1 or found.nbytes > MAX_METADATA_BYTES:
            expected = f"at most {MAX_METADATA_BYTES} contiguous uint8"
            raise unsafe(self._path / name, "no bytes", expected, f"{found.shape} {found.dtype}")
        if found.address is None:
            raise self._lost(name, "copy or download it again")
        return self._blocks.read(found.address, found.nbytes)

    def _lost(self, name: str, do: str) -> Damaged:
        return Damaged(f"{self._path} has lost an array", expected=name, found="no such dataset", do=do)
