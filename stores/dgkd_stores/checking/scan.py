"""Scans a store: reads every file once, sequentially, and records its content or its errors.

The scan does not stop at the first damage. The diagnosis compares its result with the seal.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.checking.damage import Damage
from dgkd_stores.checking.rows import check_chunk
from dgkd_stores.containers import Container, open_container
from dgkd_stores.disk.files import read_small
from dgkd_stores.errors import Damaged, DgkdError, Interrupted, NoPermission, UnsafeStore
from dgkd_stores.format.layout import ArrayLayout
from dgkd_stores.format.limits import MAX_METADATA_BYTES

__all__ = ["Position", "Report", "Scan"]

Report = Callable[[int, int], None]
"""Gets the bytes read so far, and the total."""

Position = tuple[int, ...]


class Scan:
    """The scan of a store: reads digests and whole arrays at once, metadata and rows in `read_metadata` and
    `read_rows`.

    `full` means that these will be called, so that `report` gets the total of all bytes. Raises as `open_container` for
    a store whose header cannot be read, NoPermission for any file, and Interrupted.
    """

    def __init__(self, path: Path, *, full: bool, report: Report, stop: Callable[[], bool]) -> None:
        self.path, self.damage = path, list[Damage]()
        self._stop = stop
        self._noted: set[tuple[str, str]] = set()
        self.held: Container = open_container(path, note=self._note)
        self.header, self.layout, self.seal = self.held.header, self.held.layout, self.held.seal
        self._report, self._done, self._total = report, 0, self._bytes_to_read(full)
        self.digest_VB32 = self.held.digests(self._read)
        self.identity = self._read_identity()
        self.computed_VB32 = np.zeros(self.digest_VB32.shape, dtype=np.uint8)
        self.known_VB = np.zeros(self.digest_VB32.shape[:2], dtype=np.bool_)
        """Blocks whose rows were read; `computed_VB32` has their digests."""
        self.infinite_VB = np.zeros_like(self.known_VB)
        """Blocks with NaN or infinity."""
        self.unpadded: list[tuple[int, int, str]] = []
        """View and chunk, from 0, and array of each last chunk with wrong padding."""

    def slot(self, part: int) -> tuple[int, int]:
        """Returns the first sample of a chunk of a view, and one past its last."""
        start = part * self.layout.chunk_rows
        return start, min(start + self.layout.chunk_rows, self.header.dataset.samples)

    def blocks(self, part: int) -> slice:
        """Returns the digests of a chunk of a view."""
        start, stop = self.slot(part)
        return slice(start // self.header.digest_rows, -(-stop // self.header.digest_rows))

    def part_of(self, block: Any) -> Any:
        """Returns the chunk of a view that contains a block."""
        return block * self.header.digest_rows // self.layout.chunk_rows

    def samples(self, start: int, stop: int) -> tuple[int, int]:
        """Returns the first sample of a run of blocks, and one past its last."""
        rows = self.header.digest_rows
        return start * rows, min(stop * rows, self.header.dataset.samples)

    def where(self, place: int, part: int) -> dict[str, Any]:
        """Returns view and samples of a chunk of the view at that place."""
        return {"view": self.header.view_at(place), "samples": self.slot(part)}

    def place(self, name: str, position: Position) -> dict[str, Any]:
        """Returns view and samples of a chunk, if its array has them."""
        if name in self.layout.rows:
            return self.where(position[0], position[1])
        return {"view": self.header.view_at(position[0])} if name == self.layout.digest.name else {}

    def files(self, place: int, part: int) -> list[str]:
        """Returns the files of a chunk of the view at that place, one of each array of the rows."""
        return [self.held.name_of(array, (place, part, 0)) for array in self.layout.rows.values()]

    def present_chunks(self) -> Iterator[tuple[int, int]]:
        """Yields view and chunk, from 0, of all rows that are present."""
        for view, there_P in enumerate(self._there()):
            for part in np.flatnonzero(there_P).tolist():
                yield view, part

    def read_metadata(self) -> None:
        """Compares every zarr.json byte for byte, unless it is known to be damaged already."""
        known = self.damaged_files()
        for name, expected in self.held.metadata_files():
            array = name.rpartition("/")[0]
            if name in known:
                continue
            try:
                if read_small(self.path / name, limit=MAX_METADATA_BYTES) != expected:
                    same = f"{len(expected)} bytes as the header implies them"
                    self.add("metadata", name, array=array, expected=same, found="other bytes")
            except NoPermission:
                raise
            except OSError as error:
                self._add_unread([name], [array] if array else [], error)

    def read_rows(self, view: int, part: int) -> None:
        """Reads a chunk's rows: records their digests in `computed_VB32`, and other errors."""
        try:
            check = check_chunk(self.held, view, part, advance=self._advance)
        except (DgkdError, OSError, ValueError) as error:
            if isinstance(error, Interrupted | NoPermission):
                raise
            self._add_unread(self.files(view, part), self.layout.rows, error, **self.where(view, part))
            return
        self.computed_VB32[view, self.blocks(part)] = check.digests
        self.known_VB[view, self.blocks(part)] = True
        if not check.finite.all():
            self.infinite_VB[view, self.blocks(part)] = ~check.finite
        self.unpadded += [
            (view, part, name) for name, padded in zip(self.layout.rows, check.padded, strict=True) if not padded
        ]

    def add(self, kind: str, *files: str, array: str = "", arrays: Iterable[str] = (), **more: Any) -> None:
        """Adds a damage to `damage`."""
        self.damage.append(Damage(kind=kind, files=files, arrays=(array,) if array else tuple(arrays), **more))

    def damaged_files(self) -> set[str]:
        """Returns all files that a damage names."""
        return {file for one in self.damage for file in one.files}

    def _there(self) -> NDArray[np.bool_]:
        """Returns which chunks [V, chunks of a view] are present in every row array."""
        return np.asarray(np.logical_and.reduce([self.held.present[name][..., 0] for name in self.layout.rows]))

    def _read(self, array: ArrayLayout, position: Position) -> NDArray[Any] | None:
        """Reads a present chunk; records an error and returns None if it is invalid."""
        chunk = None
        try:
            chunk = self.held.chunk(array, position)
        except NoPermission:
            raise
        except (Damaged, UnsafeStore, OSError) as error:
            self._add_unread([self.held.name_of(array, position)], [array.name], error)
        self._advance(array.chunk_bytes)
        return chunk

    def _read_identity(self) -> dict[str, NDArray[Any]]:
        """Reads the whole arrays that can be read."""
        arrays = {}
        for name, array in self.layout.identity.items():
            if not array.nbytes:
                arrays[name] = np.empty(array.shape, dtype=array.numpy_dtype)
            elif self.held.present[name].all():
                chunk = self._read(array, array.only_chunk)
                if chunk is not None:
                    arrays[name] = chunk
        return arrays

    def _note(self, name: str, error: DgkdError) -> None:
        """Records an error of names and metadata, classified by what is at that path."""
        try:
            mode = os.lstat(self.path / name).st_mode
        except OSError:
            mode = None
        kind = "foreign"
        if Path(name).name == "zarr.json" and (mode is None or stat.S_ISREG(mode)):
            kind = "missing" if mode is None else "metadata"
        if (kind, name) not in self._noted:
            self._noted.add((kind, name))
            array = name.split("/")[0] if "/" in name else ""
            self.add(kind, name, array=array, expected=error.expected, found=error.found)

    def _add_unread(self, files: Iterable[str], arrays: Iterable[str], error: Exception, **more: Any) -> None:
        if isinstance(error, OSError):
            self.add("unreadable", *files, arrays=arrays, found=str(error.strerror), **more)
        elif isinstance(error, DgkdError):
            self.add("undecodable", *files, arrays=arrays, expected=error.expected, found=error.found, **more)
        else:
            self.add("size", *files, arrays=arrays, found=str(error), **more)

    def _bytes_to_read(self, full: bool) -> int:
        total = sum(array.nbytes for array in self.layout.others.values())
        if full:
            there_VP, last = self._there(), self.layout.chunks_per_view - 1
            lacking = (last + 1) * self.layout.chunk_rows - self.header.dataset.samples
            rows = int(there_VP.sum()) * self.layout.chunk_rows - int(there_VP[:, last].sum()) * lacking
            total += rows * self.header.row_bytes
        return total

    def _advance(self, nbytes: int) -> None:
        if self._stop():
            raise Interrupted(
                f"the check of {self.path} was stopped", do="run the same command again: nothing was changed"
            )
        self._done += nbytes
        self._report(self._done, self._total)
