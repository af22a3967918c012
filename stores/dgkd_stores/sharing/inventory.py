"""Lists the files of a finished store in the order of their publication, each proven by the seal before it is sent.

First come metadata, digests and whole arrays, one after the other, because they differ between any two stores: of two
pushes to one place, the first to create one of them that differs wins. Then the rows, in any order, and the root last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.checking.diagnosis import Diagnosis
from dgkd_stores.checking.rows import ChunkCheck, check_chunk
from dgkd_stores.containers import Container, damaged, unfinished
from dgkd_stores.containers.container import how_to_mend
from dgkd_stores.disk.files import read_file
from dgkd_stores.errors import Damaged
from dgkd_stores.format.layout import ArrayLayout

__all__ = ["ROOT", "Inventory", "RowFiles"]

ROOT = "zarr.json"
"""The name of the file that is published last: with it a folder becomes a store."""


@dataclass(frozen=True, kw_only=True)
class RowFiles:
    """The files of one chunk of rows, one of each row array, which have their digests in common."""

    view: int
    part: int
    names: tuple[str, ...]


class Inventory:
    """The files of the finished store at `path`, by their names within it.

    Raises Incomplete for a store without a seal, Damaged if anything but its rows does not fit the seal, and as
    `open_container`.
    """

    def __init__(self, path: Path) -> None:
        diagnosis = Diagnosis(path, full=False)
        held = diagnosis.scan.held
        if held.seal is None:
            raise unfinished(held, "a store without a seal")
        if diagnosis.scan.damage:
            first = diagnosis.scan.damage[0]
            raise damaged(
                path,
                f"{path} is damaged and is not sent",
                first.expected or "no damage",
                f"{first.kind} of {first.file}",
            )
        self.held: Container = held
        self.path, self.seal, self.header = path, held.seal.digest, held.header
        self.sizes = dict(self._sizes())
        """The size of every file in bytes, in the order of publication; the root is the last."""
        self._digest_VB32 = diagnosis.right_VB32

    @property
    def nbytes(self) -> int:
        """The size of all files in bytes."""
        return sum(self.sizes.values())

    def first(self) -> list[str]:
        """Lists the files that come one after the other, before the rows."""
        rows = {name for each in self.rows() for name in each.names}
        return [name for name in self.sizes if name != ROOT and name not in rows]

    def rows(self) -> Iterator[RowFiles]:
        """Yields the files of each chunk of rows."""
        layout = self.held.layout
        for view in range(self.header.views):
            for part in range(layout.chunks_per_view):
                names = tuple(self.held.name_of(array, (view, part, 0)) for array in layout.rows.values())
                yield RowFiles(view=view, part=part, names=names)

    def read(self, name: str) -> memoryview:
        """Reads a file."""
        return read_file(self.path / name).data

    def read_rows(self, files: RowFiles) -> dict[str, memoryview]:
        """Reads the files of a chunk of rows; raises Damaged if its digests do not fit them."""
        check_rows(self.held, self._digest_VB32, files.view, files.part)
        return {name: self.read(name) for name in files.names}

    def _sizes(self) -> Iterator[tuple[str, int]]:
        layout = self.held.layout
        for name, array in layout.arrays.items():
            yield self._stat(f"{name}/{ROOT}")
            if name not in layout.rows:
                yield from (self._stat(self.held.name_of(array, at)) for at in positions(array))
        for files in self.rows():
            yield from map(self._stat, files.names)
        yield self._stat(ROOT)

    def _stat(self, name: str) -> tuple[str, int]:
        return name, (self.path / name).lstat().st_size


def positions(array: ArrayLayout) -> Iterator[tuple[int, ...]]:
    """Yields the place in the grid of each chunk of an array; none if it has no elements."""
    if array.nbytes:
        yield from np.ndindex(array.grid)


def check_rows(held: Container, digest_VB32: NDArray[np.uint8], view: int, part: int) -> None:
    """Raises Damaged unless a chunk of rows on disk fits its digests, is finite, and is padded with the fill."""
    try:
        check = check_chunk(held, view, part, advance=lambda nbytes: None)
    except ValueError as error:
        raise damaged(held.path, f"{_file(held, view, part)}: damaged", "a chunk of its size", str(error)) from error
    require_right(held, digest_VB32, view, part, check)


def require_right(held: Container, digest_VB32: NDArray[np.uint8], view: int, part: int, check: ChunkCheck) -> None:
    """Raises Damaged as `check_rows`, for a chunk that was checked."""
    name, header = _file(held, view, part), held.header
    start = part * held.layout.chunk_rows // header.digest_rows
    right = digest_VB32[view, start : start + len(check.digests)]
    wrong = np.flatnonzero((right != check.digests).any(axis=1))
    if len(wrong):
        block = int(wrong[0])
        expected, found = (f"SHA-256 {one[block].tobytes().hex()}" for one in (right, check.digests))
        problem = f"{name}: rows from sample {(start + block) * header.digest_rows} on of view {header.view_at(view)}"
        raise Damaged(f"{problem} are damaged", expected=expected, found=found, do=how_to_mend(held.path))
    if not check.finite.all() or not all(check.padded):
        raise damaged(held.path, f"{name}: damaged", "finite rows, and padding of the fill value", "others")


def _file(held: Container, view: int, part: int) -> Path:
    array = next(iter(held.layout.rows.values()))
    return held.path / held.name_of(array, (view, part, 0))
