"""One look over a whole store, as far as the seal can tell what is damaged in it: under `verify` and under repair.

Every chunk is read once, straight through; nothing stops at the first damage, and nothing is believed that the seal
does not vouch for.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.digests import array_digest, differing_blocks, seal_of
from dgkd_stores.coding.encodings import encoding_named
from dgkd_stores.containers import Container, open_container
from dgkd_stores.disk.files import read_file, read_small
from dgkd_stores.errors import DamagedStore, DgkdError, Interrupted, UnsafeStore
from dgkd_stores.format.identity import labels_within
from dgkd_stores.format.layout import ArrayLayout
from dgkd_stores.format.metadata import MAX_METADATA_BYTES

from .damage import Damage
from .prove import prove_digests
from .rows import check_chunk

__all__ = ["Report", "Survey"]

Report = Callable[[int, int], None]
"""Told how many bytes are read, out of how many."""

Position = tuple[int, ...]

MAX_ABSENT = 2**16
"""Missing chunks of an array that are named one by one; metadata of a few bytes may claim 2^24."""


class Survey:
    """What is damaged, and what vouches for the rest.

    `full` reads the rows, all of them or those of `chunks` ((view, chunk), both from 0), and compares metadata byte for
    byte. Raises what `open_container` raises for a store whose header cannot be read, and `Interrupted`.
    """

    def __init__(
        self,
        path: Path,
        *,
        full: bool,
        chunks: Iterable[tuple[int, int]] | None = None,
        report: Report = lambda done, total: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path, self.damage = path, list[Damage]()
        self._stop = stop
        self._noted: set[tuple[str, str]] = set()
        self.held: Container = open_container(path, survey=self._note)
        self.header, self.layout, self.seal = self.held.header, self.held.layout, self.held.seal
        self._begin(report, full)
        self.digest_VB32 = self._read_digests()
        self.identity = self._read_identity()
        self.vouched: Mapping[str, str] | None = self._judge_root()
        self._judge_identity()
        if full:
            self._compare_metadata()
        self.computed_VB32 = np.zeros(self.digest_VB32.shape, dtype=np.uint8)
        self.known_VB = np.zeros(self.digest_VB32.shape[:2], dtype=np.bool_)
        """Blocks whose rows were read; `computed_VB32` has their digests."""
        self.unpadded: list[tuple[int, int, str]] = []
        """View and chunk, from 0, and array of each last chunk that is not filled up with the fill value."""
        self._infinite_VB = np.zeros_like(self.known_VB)
        if full:
            for view, part in self._present_chunks() if chunks is None else chunks:
                self._read_rows(view, part)
        self.proven_VB32 = self._prove()
        """Every digest as it was sealed; None where nothing tells."""
        self.written_VB = differing_blocks(self.right_VB32, np.broadcast_to(np.uint8(0), self.right_VB32.shape))
        """Blocks that have a digest."""
        self._judge_digests()
        self._judge_rows()
        self._report_absent()

    @property
    def right_VB32(self) -> NDArray[np.uint8]:
        """The digests that rows have to fit, as far as is known."""
        return self.digest_VB32 if self.proven_VB32 is None else self.proven_VB32

    def slot(self, part: int) -> tuple[int, int]:
        """First sample of a chunk of a view, and one past its last."""
        start = part * self.layout.chunk_rows
        return start, min(start + self.layout.chunk_rows, self.header.dataset.samples)

    def blocks(self, part: int) -> slice:
        """The digests of a chunk of a view."""
        start, stop = self.slot(part)
        return slice(start // self.header.digest_rows, -(-stop // self.header.digest_rows))

    def _add(self, kind: str, *files: str, array: str = "", arrays: Iterable[str] = (), **more: Any) -> None:
        self.damage.append(Damage(kind=kind, files=files, arrays=(array,) if array else tuple(arrays), **more))

    def _note(self, name: str, error: DgkdError) -> None:
        """What the look at names and metadata finds, told apart by what lies there."""
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
            self._add(kind, name, array=array, expected=error.expected, found=error.found)

    def _begin(self, report: Report, full: bool) -> None:
        total = sum(array.nbytes for array in self.layout.others.values())
        if full:
            there_VP, last = self._there(), self.layout.chunks_per_view - 1
            lacking = (last + 1) * self.layout.chunk_rows - self.header.dataset.samples
            rows = int(there_VP.sum()) * self.layout.chunk_rows - int(there_VP[:, last].sum()) * lacking
            total += rows * self.header.row_bytes
        self._done = 0

        def advance(nbytes: int) -> None:
            if self._stop():
                raise Interrupted(
                    f"the check of {self.path} was stopped", do="run the same command again: nothing was changed"
                )
            self._done += nbytes
            report(self._done, total)

        self._advance = advance

    def _there(self) -> NDArray[np.bool_]:
        """Which chunks [V, chunks of a view] are present in every array of the rows."""
        return np.asarray(np.logical_and.reduce([self.held.present[name][..., 0] for name in self.layout.rows]))

    def _present_chunks(self) -> Iterator[tuple[int, int]]:
        for view, there_P in enumerate(self._there()):
            for part in np.flatnonzero(there_P).tolist():
                yield view, part

    def _read(self, array: ArrayLayout, position: Position) -> NDArray[Any] | None:
        """A chunk that is present; None, and a word on it, where it is not what it should be."""
        try:
            return self.held.chunk(array, position, read=read_file)
        except (DamagedStore, UnsafeStore, OSError) as error:
            self._add_unread([self.held.name_of(array, position)], [array.name], error)
            return None

    def _add_unread(self, files: Iterable[str], arrays: Iterable[str], error: Exception, **more: Any) -> None:
        if isinstance(error, OSError):
            self._add("unreadable", *files, arrays=arrays, found=str(error.strerror), **more)
        elif isinstance(error, DgkdError):
            self._add("undecodable", *files, arrays=arrays, expected=error.expected, found=error.found, **more)
        else:
            self._add("size", *files, arrays=arrays, found=str(error), **more)

    def _read_digests(self) -> NDArray[np.uint8]:
        array = self.layout.digest
        digest_VB32 = np.zeros(array.shape, dtype=np.uint8)
        for view in np.flatnonzero(self.held.present["digest"]).tolist():
            chunk = self._read(array, (view, 0, 0))
            if chunk is not None:
                digest_VB32[view] = chunk[0]
            self._advance(array.chunk_bytes)
        return digest_VB32

    def _read_identity(self) -> dict[str, NDArray[Any]]:
        """The whole arrays that can be read."""
        arrays = {}
        for name, array in self.layout.identity.items():
            if not array.nbytes:
                arrays[name] = np.empty(array.shape, dtype=array.numpy_dtype)
            elif self.held.present[name].all():
                chunk = self._read(array, tuple(0 for _ in array.shape))
                if chunk is not None:
                    arrays[name] = chunk
                self._advance(array.nbytes)
        return arrays

    def _judge_root(self) -> Mapping[str, str] | None:
        """SHA-256 of each array outside the records, as sealed; where `dgkd_digests` are damaged, the seal says so."""
        if self.seal is None:
            return None
        found = {name: array_digest(array) for name, array in self.identity.items()}
        found["digest"] = array_digest(self.digest_VB32)
        if seal_of(self.header.canonical, self.seal.arrays) == self.seal.digest:
            return self.seal.arrays
        if set(found) == set(self.seal.arrays) and seal_of(self.header.canonical, found) == self.seal.digest:
            wrong = ", ".join(name for name in found if found[name] != self.seal.arrays[name])
            expected = "dgkd_digests that the seal fits"
            self._add("metadata", "zarr.json", expected=expected, found=f"another SHA-256 of {wrong}")
            return found
        seal = seal_of(self.header.canonical, self.seal.arrays)
        self._add("seal", "zarr.json", expected=f"seal {self.seal.digest}", found=seal)
        return self.seal.arrays

    def _judge_identity(self) -> None:
        for name, array in self.identity.items():
            file = self.held.name_of(self.layout.identity[name], tuple(0 for _ in array.shape))
            found = array_digest(array)
            if self.vouched is not None and found != self.vouched[name]:
                self._add("array", file, array=name, expected=f"SHA-256 {self.vouched[name]}", found=found)
            elif name in ("label", "test_label") and not labels_within(array, self.header.classes):
                known = f"labels from 0 to {self.header.classes - 1}"
                self._add("foreign", file, array=name, expected=known, found=f"{array.min()} to {array.max()}")
        tests = [f"test_{name}" for name in self.layout.rows]
        if all(name in self.identity for name in tests):
            stored = {name: self.identity[test] for name, test in zip(self.layout.rows, tests, strict=True)}
            noted = {name for one in self.damage for name in one.arrays}
            if not encoding_named(self.header.encoding).finite(stored) and not noted & set(tests):
                files = [self.held.name_of(self.layout.identity[test], (0, 0)) for test in tests]
                self._add("not-finite", *files, arrays=tests, expected="finite numbers")

    def _compare_metadata(self) -> None:
        """Every zarr.json, unless it is known to be damaged already."""
        known = self._damaged_files()
        for name, expected in self.held.metadata_files():
            array = name.rpartition("/")[0]
            if name in known:
                continue
            try:
                if read_small(self.path / name, limit=MAX_METADATA_BYTES) != expected:
                    same = f"{len(expected)} bytes as the header implies them"
                    self._add("metadata", name, array=array, expected=same, found="other bytes")
            except OSError as error:
                self._add_unread([name], [array] if array else [], error)

    def _read_rows(self, view: int, part: int) -> None:
        """A chunk's digests, into `computed_VB32`, and what else is wrong with it."""
        try:
            check = check_chunk(self.held, view, part, advance=self._advance)
        except (DgkdError, OSError, ValueError) as error:
            if isinstance(error, Interrupted):
                raise
            self._add_unread(self._files(view, part), self.layout.rows, error, **self._where(view, part))
            return
        self.computed_VB32[view, self.blocks(part)] = check.digests
        self.known_VB[view, self.blocks(part)] = True
        if not check.finite.all():
            self._infinite_VB[view, self.blocks(part)] = ~check.finite
        self.unpadded += [
            (view, part, name) for name, padded in zip(self.layout.rows, check.padded, strict=True) if not padded
        ]

    def _prove(self) -> NDArray[np.uint8] | None:
        if self.vouched is None or array_digest(self.digest_VB32) == self.vouched["digest"]:
            return self.digest_VB32
        return prove_digests(self.digest_VB32, self.computed_VB32, self.known_VB, self.vouched["digest"])

    def _judge_digests(self) -> None:
        array = self.layout.digest
        if self.proven_VB32 is None:
            assert self.vouched is not None
            sealed, found = self.vouched["digest"], array_digest(self.digest_VB32)
            if self.held.present["digest"].all():
                self._add("array", array.name, array=array.name, expected=f"SHA-256 {sealed}", found=found)
            return
        if self.proven_VB32 is self.digest_VB32:
            return
        noted = self._damaged_files()
        for view in np.flatnonzero(differing_blocks(self.proven_VB32, self.digest_VB32).any(axis=1)).tolist():
            if self.held.present["digest"][view, 0, 0] and self.held.name_of(array, (view, 0, 0)) not in noted:
                known = "the digests that the seal covers: rows have them"
                file, number = self.held.name_of(array, (view, 0, 0)), view + self.header.first_view
                self._add("array", file, array=array.name, view=number, expected=known, found="others")

    def _judge_rows(self) -> None:
        wrong_VB = differing_blocks(self.computed_VB32, self.right_VB32) & self.known_VB & self.written_VB
        wrong = list(self._runs(wrong_VB))
        elsewhere = self._found_elsewhere({self.computed_VB32[view, start].tobytes() for view, start, _ in wrong})
        for view, start, stop in wrong:
            right, found = self.right_VB32[view, start].tobytes(), self.computed_VB32[view, start].tobytes()
            belongs = f", that of {elsewhere[found]}" if found in elsewhere else ""
            self._add_rows("digest", view, start, stop, f"SHA-256 {right.hex()}", f"SHA-256 {found.hex()}{belongs}")
        for run in self._runs(self._infinite_VB & self.written_VB & ~wrong_VB):
            self._add_rows("not-finite", *run, "finite numbers", "NaN or infinity")
        for view, part, name in self.unpadded:
            if self.written_VB[view, self.blocks(part)].any():
                file, fill = self.held.name_of(self.layout.rows[name], (view, part, 0)), self.layout.rows[name].fill
                self._add("padding", file, array=name, **self._where(view, part), expected=f"{fill}")

    def _runs(self, mask_VB: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
        """View, first and one past the last of each run of consecutive blocks of one chunk."""
        for view in np.flatnonzero(mask_VB.any(axis=1)).tolist():
            blocks = np.flatnonzero(mask_VB[view])
            cuts = np.flatnonzero((np.diff(blocks) != 1) | (np.diff(self._part(blocks)) != 0)) + 1
            for run in np.split(blocks, cuts):
                yield view, int(run[0]), int(run[-1]) + 1

    def _part(self, block: Any) -> Any:
        """The chunk of a view that a block lies in."""
        return block * self.header.digest_rows // self.layout.chunk_rows

    def _found_elsewhere(self, digests: set[bytes]) -> dict[bytes, str]:
        """Whose rows these are, of those that are other rows of this store: chunks may have changed places."""
        first_8 = np.array(sorted({int.from_bytes(digest[:8], "little") for digest in digests}), dtype="<u8")
        found: dict[bytes, str] = {}
        for view, right_B32 in enumerate(self.right_VB32 if digests else ()):
            alike_B = np.isin(np.ascontiguousarray(right_B32[:, :8]).view("<u8")[:, 0], first_8)
            for block in np.flatnonzero(alike_B).tolist():
                start, stop = self._samples(block, block + 1)
                where = f"view {view + self.header.first_view}, samples {start} to {stop - 1}"
                if (digest := right_B32[block].tobytes()) in digests:
                    found.setdefault(digest, where)
        return found

    def _samples(self, start: int, stop: int) -> tuple[int, int]:
        """First sample of a run of blocks, and one past its last."""
        rows = self.header.digest_rows
        return start * rows, min(stop * rows, self.header.dataset.samples)

    def _where(self, view: int, part: int) -> dict[str, Any]:
        return {"view": view + self.header.first_view, "samples": self.slot(part)}

    def _files(self, view: int, part: int) -> list[str]:
        return [self.held.name_of(array, (view, part, 0)) for array in self.layout.rows.values()]

    def _add_rows(self, kind: str, view: int, start: int, stop: int, expected: str, found: str) -> None:
        """Blocks `start` to `stop` of a chunk."""
        files, place = self._files(view, self._part(start)), self._where(view, 0)
        place["samples"] = self._samples(start, stop)
        self._add(kind, *files, arrays=self.layout.rows, **place, expected=expected, found=found)

    def _damaged_files(self) -> set[str]:
        return {file for one in self.damage for file in one.files}

    def _place(self, name: str, position: Position) -> dict[str, Any]:
        """View and samples of a chunk, where its array has them."""
        if name in self.layout.rows:
            return self._where(position[0], position[1])
        return {"view": position[0] + self.header.first_view} if name == self.layout.digest.name else {}

    def _report_absent(self) -> None:
        """Chunks that are not there and should be: all of a sealed store, and those that a digest was written for."""
        noted, wrong_size = self._damaged_files(), {*self.held.wrong_size}
        for file in self.held.wrong_size:
            name, _, key = file.partition("/")
            expected = f"a chunk of {self.layout.arrays[name].chunk_bytes} bytes"
            where = self._place(name, tuple(map(int, key.split(".")[1:])))
            self._add("size", file, array=name, **where, expected=expected, found="another size")
        for name, array in self.layout.arrays.items():
            absent = ~self.held.present[name]
            if self.seal is None and name in self.layout.rows:
                starts = np.arange(absent.shape[1]) * self.layout.chunk_rows // self.header.digest_rows
                absent[..., 0] &= np.logical_or.reduceat(self.written_VB, starts, axis=1)
            elif self.seal is None and name not in self.layout.identity:
                continue
            count = int(np.count_nonzero(absent))
            for position in itertools.islice(_positions(absent), MAX_ABSENT):
                file = self.held.name_of(array, position)
                if file not in noted and file not in wrong_size:
                    self._add("missing", file, array=name, **self._place(name, position))
            if count > MAX_ABSENT:
                self._add("missing", name, array=name, found=f"{count - MAX_ABSENT} more chunks that are not there")
        if self.seal is not None and self.proven_VB32 is not None:
            lacking_V = ~self.written_VB.all(axis=1)
            for view in np.flatnonzero(self.held.present["digest"][:, 0, 0] & lacking_V).tolist():
                file = self.held.name_of(self.layout.digest, (view, 0, 0))
                self._add("missing", file, array="digest", view=view + self.header.first_view, found="zeros")


def _positions(absent: NDArray[np.bool_]) -> Iterator[Position]:
    """Where it is true, found piece by piece."""
    flat, step = absent.reshape(-1), 2**16
    for start in range(0, flat.size, step):
        for at in np.flatnonzero(flat[start : start + step]).tolist():
            yield tuple(int(index) for index in np.unravel_index(start + at, absent.shape))
