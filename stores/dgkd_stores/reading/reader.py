"""Reading a guide store: raw chunks are mapped, compressed ones decoded ahead; rows come out only once proven.

Nothing is given out that its digest does not vouch for; what is damaged or not written is refused, never filled in.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgkd_stores.coding.codecs import RAW
from dgkd_stores.coding.digests import block_digest, sealed
from dgkd_stores.coding.encodings import encoding_named
from dgkd_stores.containers import Container, how_to_mend, open_container
from dgkd_stores.errors import DamagedStore, Incomplete

from .ahead import ReadAhead
from .chunks import MAX_DECODED_BYTES, Chunk, DecodedChunks
from .mapped import MappedChunks
from .row_index import RowIndex

__all__ = ["Completeness", "GuideStore"]

_DECODED = DecodedChunks(MAX_DECODED_BYTES)
_STORE_NUMBERS = itertools.count()
_LOST = "nothing in the store tells what it should be: get a whole copy, or dump the guide again"


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """How much of a store is written."""

    views: int
    views_done: int
    blocks: int
    blocks_missing: int

    @property
    def complete(self) -> bool:
        """Whether every block is there."""
        return self.blocks_missing == 0


class GuideStore:
    """An open guide store; a context manager.

    `path`, `header`, `nbytes` (of all files), `kind` (`zarr` or `hdf5`) and `codec` (its name) say what it is;
    `seal` is None for an unfinished store, `views` the range of view numbers, `encoding` decodes what `gather_stored`
    gives, and `container` has the bytes of each chunk. `label_N`, `sample_digest_N16`, `view_digest_V32`, `probe`,
    `test_logits_MC` (softened, float32), `test_label_M` and `test_sample_digest_M16` are read at once, rows when they
    are asked for.
    """

    def __init__(self, path: Path | str, *, allow_incomplete: bool = False) -> None:
        self.path = Path(path)
        self._number = next(_STORE_NUMBERS)
        self.container = held = open_container(self.path)
        self.header, self.nbytes, self._layout = held.header, held.nbytes, held.layout
        self.kind, self.codec = held.kind, held.layout.codec.name
        self.seal = held.seal.digest if held.seal else None
        self.views, self.encoding = self.header.view_range, encoding_named(self.header.encoding)
        if self.seal is None and not allow_incomplete:
            raise self._unfinished(f"no seal, and rows in {int(held.present['digest'].sum())} views")
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
            found = sealed(self.header.canonical, {"digest": self._digest_VB32, **arrays})
            if found != held.seal:
                self._refuse_seal(held, found.arrays, found.digest)
            if missing := self._completeness.blocks_missing:
                raise self._damaged(
                    f"{self.path}: sealed", "a digest for every block", f"{missing} blocks without one", _LOST
                )
        held.check_labels(arrays)
        self.label_N, self.sample_digest_N16 = arrays["label"], arrays["sample_digest"]
        self.view_digest_V32, self.probe = arrays["view_digest"], arrays["probe"]
        self.test_label_M, self.test_sample_digest_M16 = arrays["test_label"], arrays["test_sample_digest"]
        tests = {name: arrays[f"test_{name}"] for name in self._layout.rows}
        with np.errstate(over="ignore", invalid="ignore"):
            self.test_logits_MC = self.encoding.decode(tests).astype(np.float32)
        if not np.isfinite(self.test_logits_MC).all():
            raise self._damaged(f"{self.path}: test_logits", "finite numbers", "NaN or infinity", _LOST)
        self._done = done_VB.reshape(-1)
        self._samples = self.header.dataset.samples
        self._mapped: MappedChunks | None = None
        self._ahead = ReadAhead(held)

    @classmethod
    def open(cls, path: Path | str, *, allow_incomplete: bool = False) -> Self:
        """Open a store of any origin.

        Raises `StoreNotFound`, `Incomplete` unless `allow_incomplete`, `DamagedStore` when the seal or the
        size of a file is wrong, `Mismatch` for a newer version of the format, `UnsafeStore` for what no
        writer of ours makes.
        """
        return cls(path, allow_incomplete=allow_incomplete)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process the number is another store's, and its mappings with it.
        return functools.partial(GuideStore.open, allow_incomplete=self.seal is None), (self.path,)

    def close(self) -> None:
        """Let the mapped files and decoded chunks go; the store may still be used and takes them anew."""
        if self._mapped is not None:
            self._mapped.close()
        _DECODED.drop(self._number)

    def decoded_bytes(self, views: int) -> int:
        """Memory that `views` views of a compressed store take once decoded; 0 where rows are mapped."""
        return 0 if self._layout.codec is RAW else views * self.header.dataset.samples * self.header.row_bytes

    def completeness(self) -> Completeness:
        """How much was written when the store was opened."""
        return self._completeness

    def expect(self, views_B: ArrayLike, samples_B: ArrayLike) -> None:
        """Have the system read these rows ahead, where they are not in memory; it makes no difference to what is read.

        Where the system has no such call (macOS), nothing happens. Raises `InvalidInput` as `gather_stored` does.
        """
        if not hasattr(os, "posix_fadvise"):
            return
        self._ahead.expect(*RowIndex(views_B, samples_B).within(self.path, self.views, self._samples))

    def gather(self, views_B: ArrayLike, samples_B: ArrayLike) -> NDArray[Any]:
        """Rows [B, C] in the order asked for, in a floating type: as stored for float16 and float32, float32 for uint8.

        Raises what `gather_stored` raises.
        """
        return self.encoding.decode(self.gather_stored(views_B, samples_B))

    def gather_stored(self, views_B: ArrayLike, samples_B: ArrayLike) -> dict[str, NDArray[Any]]:
        """The stored arrays of rows by name, in the order asked for: what `encoding.decode` takes, on any device.

        Only chunks that hold one of the rows are opened. Raises `InvalidInput` for a view or sample that the
        store does not cover, `Incomplete` for rows that are not written, `DamagedStore` for a block that its
        digest does not fit.
        """
        return self.gather_rows(RowIndex(views_B, samples_B))

    def gather_rows(self, index: RowIndex) -> dict[str, NDArray[Any]]:
        """`gather_stored` of an index that many stores share."""
        placed = index.placed(self.path, self.views, self._samples, self._layout.chunk_rows)
        if not self._completeness.complete:
            view_B, sample_B = index.within(self.path, self.views, self._samples)
            self._require_written(view_B * self.header.blocks + sample_B // self.header.digest_rows)
        if self._layout.codec is not RAW:
            return self._take(placed.chunk_B, placed.row_B)
        if self._mapped is None:
            self._mapped = MappedChunks(self.container, self._prove)
        return self._mapped.gather(placed)

    def _take(self, chunk_B: NDArray[np.int64], row_B: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        if chunk_B.size and (chunk_B == chunk_B[0]).all():
            chunk = self._proven_chunk(int(chunk_B[0]), row_B)
            return {name: rows.take(row_B, axis=0) for name, rows in chunk.arrays.items()}
        order_B = np.argsort(chunk_B, kind="stable")
        chunk_B, row_B = chunk_B[order_B], row_B[order_B]
        sorted_rows = {
            name: np.empty((len(order_B), array.shape[2]), dtype=array.numpy_dtype)
            for name, array in self._layout.rows.items()
        }
        edges = np.flatnonzero(np.diff(chunk_B, prepend=-1, append=-1)).tolist()
        for start, stop in itertools.pairwise(edges):
            inside_B = row_B[start:stop]
            for name, rows in self._proven_chunk(int(chunk_B[start]), inside_B).arrays.items():
                # take into a slice, in mode clip (bounds are checked), is 3x faster here than two fancy indices.
                rows.take(inside_B, axis=0, out=sorted_rows[name][start:stop], mode="clip")
        taken = {name: np.empty_like(rows) for name, rows in sorted_rows.items()}
        for name, rows in sorted_rows.items():
            taken[name][order_B] = rows
        return taken

    def _proven_chunk(self, number: int, row_B: NDArray[np.int64]) -> Chunk:
        """A decoded chunk whose given rows are proven."""
        chunk = self._chunk(number)
        if not chunk.proven.all():
            block_B = row_B // self.header.digest_rows
            for block in np.unique(block_B[~chunk.proven[block_B]]).tolist():
                view, first = self._first_block(number)
                self._prove(view, first + block, chunk.arrays)
        return chunk

    def _chunk(self, number: int) -> Chunk:
        following = (number + self._layout.chunks_per_view) % (self.header.views * self._layout.chunks_per_view)
        return _DECODED.get((self._number, number), self._decode, following=following)

    def _decode(self, number: int) -> Chunk:
        """Decode a chunk and check all that is written of it: on another thread, so that `gather` need not."""
        arrays = self._arrays(number)
        view, first = self._first_block(number)
        rows = min(self._layout.chunk_rows, self.header.dataset.samples - first * self.header.digest_rows)
        proven = np.ones(-(-rows // self.header.digest_rows), dtype=np.bool_)
        for block in range(len(proven)):
            try:
                self._prove(view, first + block, arrays)
            except DamagedStore:
                proven[block] = False
        return Chunk(arrays=arrays, proven=proven)

    def _arrays(self, number: int) -> dict[str, NDArray[Any]]:
        view, part = divmod(number, self._layout.chunks_per_view)
        return {name: self.container.chunk(array, (view, part, 0))[0] for name, array in self._layout.rows.items()}

    def _first_block(self, number: int) -> tuple[int, int]:
        """The view of a chunk (from 0), and its first digest block."""
        view, part = divmod(number, self._layout.chunks_per_view)
        return view, part * self._layout.chunk_rows // self.header.digest_rows

    def _prove(self, view: int, block: int, chunk: Mapping[str, NDArray[Any]]) -> None:
        """Check one block, in the arrays of its chunk, against its digest."""
        rows = self.header.digest_rows
        start, stop = block * rows, min((block + 1) * rows, self.header.dataset.samples)
        offset = start % self._layout.chunk_rows
        arrays = {name: whole[offset : offset + stop - start] for name, whole in chunk.items()}
        expected, found = self._digest_VB32[view, block].tobytes(), block_digest(list(arrays.values()))
        where = f"{self.path}: view {view + self.views.start}, samples {start} to {stop - 1}"
        if found != expected:
            raise self._damaged(where, f"SHA-256 {expected.hex()}", found.hex())
        if not self.encoding.finite(arrays):
            raise self._damaged(where, "finite numbers", "NaN or infinity under a valid digest", _LOST)

    def _require_written(self, block_B: NDArray[np.int64]) -> None:
        for flat in block_B[~self._done[block_B]][:1].tolist():
            view, block = divmod(flat, self.header.blocks)
            first, last = block * self.header.digest_rows, (block + 1) * self.header.digest_rows - 1
            last = min(last, self.header.dataset.samples - 1)
            raise self._unfinished(f"no rows for view {view + self.views.start}, samples {first} to {last}")

    def _refuse_seal(self, held: Container, arrays: Mapping[str, str], seal: str) -> NoReturn:
        assert held.seal is not None
        where = f"{self.path}: its content is not what was sealed"
        for name, digest in held.seal.arrays.items():
            if arrays[name] != digest:
                raise self._damaged(where, f"{name} of SHA-256 {digest}", arrays[name])
        raise self._damaged(where, f"seal {held.seal.digest}", seal, _LOST)

    def _refuse_lost_chunks(self, held: Container) -> None:
        for name in ("digest", *self._layout.rows):
            array = self._layout.arrays[name]
            for position in np.argwhere(~held.present[name])[:1].tolist():
                lost = held.name_of(array, tuple(position))
                found = "another size" if lost in held.wrong_size else "no such file"
                raise self._damaged(self.path / lost, f"a chunk of {array.chunk_bytes} bytes", found)

    def _unfinished(self, found: str) -> Incomplete:
        return Incomplete(
            f"{self.path} is not finished",
            expected=f"a sealed store of {len(self.views)} views",
            found=found,
            do=f"finish it, in its workspace, with `dgkd-cache dump --model {self.header.guide.name}`",
        )

    def _damaged(self, where: Path | str, expected: str, found: str, do: str = "") -> DamagedStore:
        return DamagedStore(f"{where}: damaged", expected=expected, found=found, do=do or how_to_mend(self.path))
