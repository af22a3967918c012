"""Reading a guide store at memory speed: chunk files are mapped, a block is checked when a row is first used.

No row is ever given out that its digest does not vouch for; what is damaged or not written is refused, never
filled in.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .digests import block_digest, seal_of
from .directory import blocks_done, read_digests, read_identity
from .encodings import encoding
from .errors import DamagedStore, Incomplete, InvalidInput
from .files import map_file
from .guard import Inspection, dump_again, inspect
from .mappings import MappingCache

__all__ = ["MAX_MAPPINGS", "Completeness", "GuideStore", "open_chunk"]

MAX_MAPPINGS = 256
"""Chunk files open at a time, over all stores of the process."""

_MAPPINGS = MappingCache(MAX_MAPPINGS)
_STORE_NUMBERS = itertools.count()


def open_chunk(path: Path) -> NDArray[np.uint8]:
    """Map a chunk file. The only way to the rows' files, so whoever counts calls knows what was opened."""
    return map_file(path)


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

    `label_N`, `sample_digest_N16`, `view_digest_V32`, `probe`, `test_logits_MC` (softened, float32),
    `test_label_M` and `test_sample_digest_M16` are read at once, rows when they are asked for. `seal` is None
    for an unfinished store, `views` the range of view numbers, `encoding` decodes what `gather_stored` gives.
    """

    def __init__(self, path: Path | str, *, allow_incomplete: bool = False) -> None:
        self.path = Path(path)
        self._number = next(_STORE_NUMBERS)
        seen = inspect(self.path)
        self.header, self.seal, self.nbytes, self._layout = seen.header, seen.seal, seen.nbytes, seen.layout
        self.views, self.encoding = self.header.view_range, encoding(self.header.encoding)
        if self.seal is None and not allow_incomplete:
            raise self._unfinished(f"no seal, and rows in {int(seen.present['digest'].sum())} views")
        if self.seal is not None:
            self._refuse_lost_chunks(seen)
        self._digest_VB32 = read_digests(self.path, seen)
        done_VB = blocks_done(seen, self._digest_VB32)
        self._completeness = Completeness(
            views=self.header.views,
            views_done=int(done_VB.all(axis=1).sum()),
            blocks=done_VB.size,
            blocks_missing=int(done_VB.size - done_VB.sum()),
        )
        arrays = read_identity(self.path, seen)
        if self.seal is not None:
            self._check_seal(self.seal, arrays)
        self.label_N, self.sample_digest_N16 = arrays["label"], arrays["sample_digest"]
        self.view_digest_V32, self.probe = arrays["view_digest"], arrays["probe"]
        self.test_label_M, self.test_sample_digest_M16 = arrays["test_label"], arrays["test_sample_digest"]
        tests = {name: arrays[f"test_{name}"] for name in self._layout.rows}
        self.test_logits_MC = self._decoded(tests, f"{self.path}: test rows").astype(np.float32)
        self._done = done_VB.reshape(-1)
        self._verified = np.zeros_like(self._done)

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process the number is another store's, and its mappings with it.
        return functools.partial(GuideStore.open, allow_incomplete=self.seal is None), (self.path,)

    def close(self) -> None:
        """Let the mapped files go; the store may still be used and maps them anew."""
        _MAPPINGS.drop(self._number)

    def completeness(self) -> Completeness:
        """How much was written when the store was opened."""
        return self._completeness

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
        view_B = np.asarray(views_B, dtype=np.int64) - self.views.start
        sample_B = np.asarray(samples_B, dtype=np.int64)
        self._check_bounds(view_B, sample_B)
        block_B = view_B * self.header.blocks + sample_B // self.header.digest_rows
        verified_B = self._verified[block_B]
        if not verified_B.all():
            for block in np.unique(block_B[~verified_B]).tolist():
                self._verify(*divmod(block, self.header.blocks))
        return {name: self._rows(name, view_B, sample_B) for name in self._layout.rows}

    def _rows(self, name: str, view_B: NDArray[np.int64], sample_B: NDArray[np.int64]) -> NDArray[Any]:
        chunk_B = view_B * self._layout.chunks_per_view + sample_B // self._layout.chunk_rows
        row_B = sample_B % self._layout.chunk_rows
        if chunk_B.size and (chunk_B == chunk_B[0]).all():
            return self._chunk(name, int(chunk_B[0])).take(row_B, axis=0)
        order_B = np.argsort(chunk_B, kind="stable")
        chunk_B, row_B = chunk_B[order_B], row_B[order_B]
        layout = self._layout.rows[name]
        sorted_BC = np.empty((len(order_B), layout.shape[2]), dtype=layout.numpy_dtype)
        edges = np.flatnonzero(np.diff(chunk_B, prepend=-1, append=-1)).tolist()
        for start, stop in itertools.pairwise(edges):
            # take into a slice, in mode clip (bounds are checked), is 3x faster here than two fancy indices.
            out = sorted_BC[start:stop]
            self._chunk(name, int(chunk_B[start])).take(row_B[start:stop], axis=0, out=out, mode="clip")
        rows_BC = np.empty_like(sorted_BC)
        rows_BC[order_B] = sorted_BC
        return rows_BC

    def _chunk(self, name: str, chunk: int) -> NDArray[Any]:
        """The mapped rows of one chunk [S, C], padding included."""
        key = (self._number, name, chunk)
        rows = _MAPPINGS.get(key)
        if rows is None:
            layout = self._layout.rows[name]
            path = self.path / name / layout.key(*divmod(chunk, self._layout.chunks_per_view), 0)
            try:
                raw = open_chunk(path)
            except FileNotFoundError:
                raise self._damaged(path, f"a chunk of {layout.chunk_bytes} bytes", "no such file") from None
            if raw.size != layout.chunk_bytes:
                raise self._damaged(path, f"a chunk of {layout.chunk_bytes} bytes", f"{raw.size} bytes")
            rows = raw.view(layout.numpy_dtype).reshape(layout.chunks[1:])
            _MAPPINGS.put(key, rows)
        return rows

    def _verify(self, view: int, block: int) -> None:
        """Check one block against its digest, once."""
        rows = self.header.digest_rows
        start, stop = block * rows, min((block + 1) * rows, self.header.dataset.samples)
        flat = view * self.header.blocks + block
        if not self._done[flat]:
            raise self._unfinished(f"no rows for view {view + self.views.start}, samples {start} to {stop - 1}")
        chunk, offset = divmod(start, self._layout.chunk_rows)
        chunk += view * self._layout.chunks_per_view
        arrays = {name: self._chunk(name, chunk)[offset : offset + stop - start] for name in self._layout.rows}
        expected, found = self._digest_VB32[view, block].tobytes(), block_digest(list(arrays.values()))
        where = f"{self.path}: view {view + self.views.start}, samples {start} to {stop - 1}"
        if found != expected:
            raise self._damaged(where, f"SHA-256 {expected.hex()}", found.hex())
        self._decoded(arrays, where)
        self._verified[flat] = True

    def _decoded(self, arrays: Mapping[str, NDArray[Any]], where: str) -> NDArray[Any]:
        """Rows from their stored arrays, none of which decodes to anything but numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            rows_BC = self.encoding.decode(arrays)
        if not np.isfinite(rows_BC).all():
            raise self._damaged(where, "finite numbers", "NaN or infinity under a valid digest")
        return rows_BC

    def _check_bounds(self, view_B: NDArray[np.int64], sample_B: NDArray[np.int64]) -> None:
        if view_B.shape != sample_B.shape or view_B.ndim != 1:
            raise InvalidInput(
                "rows to gather",
                expected="as many views as samples",
                found=f"{view_B.shape} {sample_B.shape}",
            )
        for name, indices, first, count in (
            ("views", view_B, self.views.start, len(self.views)),
            ("samples", sample_B, 0, self.header.dataset.samples),
        ):
            if indices.size and (indices.min() < 0 or indices.max() >= count):
                raise InvalidInput(
                    f"{name} that {self.path} does not hold",
                    expected=f"{first} to {first + count - 1}",
                    found=f"{indices.min() + first} to {indices.max() + first}",
                )

    def _check_seal(self, seal: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        found = seal_of(self.header.canonical, {"digest": self._digest_VB32, **arrays})
        if found != seal:
            raise self._damaged(f"{self.path}: its content is not what was sealed", f"seal {seal}", found)

    def _refuse_lost_chunks(self, seen: Inspection) -> None:
        for name in ("digest", *self._layout.rows):
            for position in np.argwhere(~seen.present[name])[:1].tolist():
                file = f"{name}/{self._layout.arrays[name].key(*position)}"
                found = "another size" if file in seen.wrong_size else "no such file"
                expected = f"a chunk of {self._layout.arrays[name].chunk_bytes} bytes"
                raise self._damaged(self.path / file, expected, found)

    def _unfinished(self, found: str) -> Incomplete:
        return Incomplete(
            f"{self.path} is not finished",
            expected=f"a sealed store of {len(self.views)} views",
            found=found,
            do=f"finish it, in its workspace, with `dgkd-cache dump --model {self.header.guide.name}`",
        )

    def _damaged(self, where: Path | str, expected: str, found: str) -> DamagedStore:
        return DamagedStore(f"{where}: damaged", expected=expected, found=found, do=dump_again(self.path, self.header))
