"""Reads a guide store: rows are returned after their block is checked against its digest.

Raw chunks are mapped (`mapped.py`) or read into memory (`blocks.py`), compressed ones decoded ahead (`decoded.py`).
Damaged or unwritten rows are refused, never filled in.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgkd_stores.arguments import as_path, require_flags, require_integer, require_kind
from dgkd_stores.coding.codecs import RAW
from dgkd_stores.coding.digests import Seal, compute_seal
from dgkd_stores.coding.encodings import Encoding
from dgkd_stores.containers import Container, damaged, open_container, unfinished
from dgkd_stores.containers.container import LOST
from dgkd_stores.errors import Damaged, Mismatch
from dgkd_stores.reading import interop
from dgkd_stores.reading.blocks import HeldBlocks
from dgkd_stores.reading.choice import reason_to_copy, require_reader
from dgkd_stores.reading.decoded import DecodedRows
from dgkd_stores.reading.mapped import MappedChunks
from dgkd_stores.reading.proof import BlockProof
from dgkd_stores.reading.readahead import ReadAhead
from dgkd_stores.reading.row_index import RowIndex
from dgkd_stores.sanitize import clean

if TYPE_CHECKING:
    import h5py
    import xarray
    import zarr

__all__ = ["Completeness", "GuideStore"]


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """The part of a store that is written: whole views, and blocks of rows under one digest, counted over all views."""

    views: int
    """Number of views."""
    views_done: int
    """Number of views that are written whole."""
    blocks: int
    """Number of blocks."""
    blocks_missing: int
    """Number of blocks that are not written."""

    @property
    def complete(self) -> bool:
        """True if every block is written."""
        return self.blocks_missing == 0


class GuideStore:
    """An open guide store; a context manager. Its arrays are read at once, its rows on request. Raises as `open`."""

    path: Path
    """The path of the store."""
    seal: str | None
    """The seal, SHA-256 in hex; None for an unfinished store."""
    views: range
    """The numbers of its V views."""
    kind: str
    """`zarr` or `hdf5`."""
    codec: str
    """The name of the codec of its rows."""
    nbytes: int
    """The size of all files, in bytes."""
    encoding: Encoding
    """Decodes the result of `gather_stored`."""
    container: Container
    """Has the bytes of each chunk."""
    copied_because: str
    """The reason why blocks of rows are copied into memory instead of mapped, else empty."""
    label_N: NDArray[np.int64]
    """int64 (N,): the class of each sample."""
    sample_digest_N16: NDArray[np.uint8]
    """uint8 (N, 16): the first 16 bytes of the SHA-256 of each sample."""
    view_digest_V32: NDArray[np.uint8]
    """uint8 (V, 32): the SHA-256 of each view's parameters."""
    probe: NDArray[Any]
    """uint8 (64, 32) or int32 (64, 64): digests or projections of pixels, by the header's `probe`."""
    shared: Mapping[str, NDArray[Any]]
    """Arrays that all rows share: of `factored` float32 `basis` (C, D) and `bias` (C,); else empty."""
    test_stored: Mapping[str, NDArray[Any]]
    """The stored arrays of the test set by name, as `gather_stored` returns them of rows: for `encoding.decode`."""
    test_label_M: NDArray[np.int64]
    """int64 (M,): the class of each test sample."""
    test_sample_digest_M16: NDArray[np.uint8]
    """uint8 (M, 16): digests of the test samples."""

    def __init__(self, path: Path | str, *, allow_incomplete: bool = False, reader: str = "auto") -> None:
        self.path, self._wanted_reader = as_path("GuideStore", "path", path), reader
        require_flags("GuideStore", allow_incomplete=allow_incomplete)
        require_reader(reader)
        self.container = held = open_container(self.path)
        self.header = held.header
        """The header: what the rows belong to."""
        self.nbytes, self._layout = held.nbytes, held.layout
        self.kind, self.codec = held.kind, held.layout.codec.name
        self.seal = held.seal.digest if held.seal else None
        self.views = self.header.view_range
        if self.seal is None and not allow_incomplete:
            raise unfinished(held, f"no seal, and rows in {int(held.present['digest'].sum())} views")
        if self.seal is not None:
            self._refuse_lost_chunks(held)
        self._digest_VB32 = held.digests()
        done_VB = held.blocks_done(self._digest_VB32)
        self._completeness = Completeness(
            views=self.header.views,
            views_done=int(done_VB.all(axis=1).sum()),
            blocks=done_VB.size,
            blocks_missing=int(done_VB.size - done_VB.sum()),
        )
        arrays = held.identity()
        if held.seal is not None:
            found = compute_seal(self.header.canonical, {"digest": self._digest_VB32, **arrays})
            if found != held.seal:
                self._refuse_seal(held.seal, found)
            if missing := self._completeness.blocks_missing:
                raise self._damaged("sealed", "a digest for every block", f"{missing} blocks without one", LOST)
        held.check_labels(arrays)
        self.label_N, self.sample_digest_N16 = arrays["label"], arrays["sample_digest"]
        self.view_digest_V32, self.probe = arrays["view_digest"], arrays["probe"]
        self.test_label_M, self.test_sample_digest_M16 = arrays["test_label"], arrays["test_sample_digest"]
        held.check_shared(arrays)
        encoding = self.header.row_encoding
        self.shared = {one.name: arrays[one.name] for one in encoding.shared_arrays(self.header.classes)}
        self.encoding = encoding.bound(self.shared)
        self.test_stored = {name: arrays[f"test_{name}"] for name in self._layout.rows}
        if not self.encoding.finite(self.test_stored):
            raise self._damaged("test_logits", encoding.rule, encoding.breach, LOST)
        self._done = done_VB.reshape(-1)
        self.copied_because = reason_to_copy(self.path, reader) if self._layout.codec is RAW else ""
        self._rows: MappedChunks | HeldBlocks | DecodedRows | None = None
        self._ahead = ReadAhead(held)

    @classmethod
    def open(cls, path: Path | str, *, allow_incomplete: bool = False, reader: str = "auto") -> Self:
        """Opens a store of any origin.

        `reader` is for uncompressed chunks: `mmap` maps their files; `pread` copies each block of rows into memory
        before it is checked, for disks that others write to; `auto` selects `pread` on network file systems.

        Raises `InvalidInput` for an argument of another kind, `StoreNotFound`, `Incomplete` unless `allow_incomplete`,
        `Damaged` if the seal or the size of a file is wrong, `Mismatch` for a newer version of the format,
        `UnsafeStore` for anything that this project's writer cannot have made.
        """
        return cls(path, allow_incomplete=allow_incomplete, reader=reader)

    @cached_property
    def test_logits_MC(self) -> NDArray[np.float32]:
        """float32 (M, C): logits on the test set, divided by the temperature; decoded at the first use.

        Those of `topk` are for use at the store's temperature: `encoding.at(1.0).decode(test_stored)` for at 1.
        """
        return self.encoding.decode(self.test_stored).astype(np.float32)

    def __repr__(self) -> str:
        header, views = self.header, f"{self.views.start} to {self.views.stop - 1}"
        size = f"{header.dataset.samples} samples, {header.classes} classes, {header.encoding}"
        state = "" if self.seal else ", not finished"
        return f"<GuideStore {self.path}: guide {clean(header.guide.called)}, views {views}, {size}{state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens it again, and by then another store may be at its path.
        sealed = self.seal is not None
        return _reopen, (self.path, sealed, self._known_by(sealed), self._wanted_reader)

    def _known_by(self, sealed: bool) -> str:
        """Returns the seal, or the header of an unsealed store, which two processes compare."""
        if not sealed:
            return f"a header of SHA-256 {hashlib.sha256(self.header.canonical).hexdigest()}"
        return f"seal {self.seal}" if self.seal else "an unfinished store"

    def close(self) -> None:
        """Frees mapped files, blocks and decoded chunks; the store can still be used and loads them again."""
        if self._rows is not None:
            self._rows.close()

    def decoded_bytes(self, views: int) -> int:
        """Returns the memory in bytes of `views` decoded views of a compressed store; 0 for an uncompressed one.

        Raises InvalidInput for a negative number.
        """
        require_integer("decoded_bytes", "views", views, low=0)
        return 0 if self._layout.codec is RAW else views * self.header.dataset.samples * self.header.row_bytes

    def completeness(self) -> Completeness:
        """Returns how much was written when the store was opened."""
        return self._completeness

    def expect(self, views_B: ArrayLike, samples_B: ArrayLike) -> None:
        """Asks the system to read these rows ahead; the result of later reads is the same.

        Does nothing on systems without such a call (macOS). Raises `InvalidInput` as `gather_stored`.
        """
        if not hasattr(os, "posix_fadvise"):
            return
        self._ahead.expect(*RowIndex(views_B, samples_B).within(self.container))

    def gather(self, views_B: ArrayLike, samples_B: ArrayLike) -> NDArray[Any]:
        """Returns rows [B, C] in the given order and a floating type: as stored for float16 and float32, else float32.

        Those of `topk` are for use at the store's temperature: `encoding.at` is for another one.

        Raises what `gather_stored` raises.
        """
        return self.encoding.decode(self.gather_stored(views_B, samples_B))

    def gather_stored(self, views_B: ArrayLike, samples_B: ArrayLike) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays of rows by name, in the given order, for `encoding.decode` on any device.

        Only chunks that hold one of the rows are opened. Raises `InvalidInput` for a view or sample outside the store,
        `Incomplete` for unwritten rows, `Damaged` for a block that does not match its digest.
        """
        return self.gather_rows(RowIndex(views_B, samples_B))

    def gather_rows(self, index: RowIndex) -> dict[str, NDArray[Any]]:
        """Does what `gather_stored` does, for an index that many stores share. Raises what `gather_stored` raises."""
        require_kind("gather_rows", "index", index, RowIndex, expected="a RowIndex")
        if self._rows is None:
            self._rows = self._source()
        placed = index.placed(self.container, self._rows.rows_each)
        if not self._completeness.complete:
            view_B, sample_B = index.within(self.container)
            self._require_written(view_B * self.header.blocks + sample_B // self.header.digest_rows)
        return self._rows.gather(placed)

    def to_zarr(self, *, verify: bool = True) -> zarr.Group:
        """Opens the store, a Zarr folder, as a read-only `zarr.Group`, once `verify(full=True)` finds it whole.

        `verify=False` skips that, and a UserWarning says what was not checked. Raises `InvalidInput` for an HDF5 file,
        `Damaged` or `UnsafeStore` for what is not whole, `Incomplete` for what is not finished, and `Mismatch` where
        another store lies there by now.
        """
        return interop.to_zarr(self.container, verify=verify)

    def to_xarray(self, *, verify: bool = True) -> xarray.Dataset:
        """Opens the store, a Zarr folder, as an `xarray.Dataset` that is read as it is used; see `to_zarr`.

        Raises `InvalidInput` where xarray is not installed, too.
        """
        return interop.to_xarray(self.container, verify=verify)

    def to_h5py(self, *, verify: bool = True) -> h5py.File:
        """Opens the store, an HDF5 file, as a read-only `h5py.File`; see `to_zarr`.

        Raises `InvalidInput` for a Zarr folder.
        """
        return interop.to_h5py(self.container, verify=verify)

    def _source(self) -> MappedChunks | HeldBlocks | DecodedRows:
        proof = BlockProof(self.container, self._digest_VB32)
        if self._layout.codec is not RAW:
            return DecodedRows(self.container, proof)
        return HeldBlocks(self.container, proof) if self.copied_because else MappedChunks(self.container, proof)

    def _require_written(self, block_B: NDArray[np.int64]) -> None:
        for flat in block_B[~self._done[block_B]][:1].tolist():
            view, block = divmod(flat, self.header.blocks)
            first, last = block * self.header.digest_rows, (block + 1) * self.header.digest_rows - 1
            last = min(last, self.header.dataset.samples - 1)
            raise unfinished(self.container, f"no rows for view {self.header.view_at(view)}, samples {first} to {last}")

    def _refuse_seal(self, stored: Seal, found: Seal) -> NoReturn:
        what = "its content is not what was sealed"
        for name, digest in stored.arrays.items():
            if found.arrays[name] != digest:
                raise self._damaged(what, f"{name} of SHA-256 {digest}", found.arrays[name])
        raise self._damaged(what, f"seal {stored.digest}", found.digest, LOST)

    def _refuse_lost_chunks(self, held: Container) -> None:
        for name in ("digest", *self._layout.rows):
            array = self._layout.arrays[name]
            for position in np.argwhere(~held.present[name])[:1].tolist():
                lost = held.name_of(array, tuple(position))
                found = "another size" if lost in held.wrong_size else "no such file"
                raise damaged(self.path, f"{self.path / lost}: damaged", f"a chunk of {array.chunk_bytes} bytes", found)

    def _damaged(self, what: str, expected: str, found: str, do: str = "") -> Damaged:
        return damaged(self.path, f"{self.path}: {what}: damaged", expected, found, do=do)


def _reopen(path: Path, sealed: bool, known_by: str, reader: str) -> GuideStore:
    """Opens a pickled store again; raises Mismatch if another one is there now."""
    store = GuideStore.open(path, allow_incomplete=True, reader=reader)
    if (found := store._known_by(sealed)) != known_by:
        raise Mismatch(
            f"{path} is not the store that was sent to this process",
            expected=known_by,
            found=found,
            do="start again once nothing replaces the store any more",
        )
    return store
