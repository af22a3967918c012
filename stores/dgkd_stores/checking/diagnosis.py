"""Diagnoses a scanned store by its seal, for `verify` and repair.

Only content covered by a verified digest is used; damaged digests may be recovered from the rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.checking.recover_digests import prove_digests
from dgkd_stores.checking.scan import Position, Report, Scan
from dgkd_stores.coding.digests import array_digest, differing_blocks, seal_of
from dgkd_stores.format.identity import labels_within
from dgkd_stores.format.limits import MAX_NAMED_ABSENT

__all__ = ["Diagnosis", "Report"]


class Diagnosis:
    """The diagnosis of a whole store: finds damage, which `scan.damage` lists, and proves the rest.

    `full` reads the rows, all or those of `chunks` ((view, chunk), both from 0), and compares metadata byte for byte.
    Raises as `open_container` for a store whose header cannot be read, and Interrupted.
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
        self.scan = Scan(path, full=full, report=report, stop=stop)
        self.sealed_sha256 = self._judge_root()
        """The SHA-256 that the seal covers, of each array outside the records; None for an unfinished store."""
        self._judge_identity()
        if full:
            self.scan.read_metadata()
            for view, part in self.scan.present_chunks() if chunks is None else chunks:
                self.scan.read_rows(view, part)
        self.proven_VB32 = self._prove()
        """All digests as they were sealed; None if they cannot be recovered."""
        self.written_VB = differing_blocks(self.right_VB32, np.broadcast_to(np.uint8(0), self.right_VB32.shape))
        """Blocks with a digest."""
        self._judge_digests()
        self._judge_rows()
        self._report_absent()

    @property
    def right_VB32(self) -> NDArray[np.uint8]:
        """The digests that rows must match, as far as known."""
        return self.scan.digest_VB32 if self.proven_VB32 is None else self.proven_VB32

    def _judge_root(self) -> Mapping[str, str] | None:
        """Returns the sealed SHA-256 of each array; those in zarr.json may be damaged, which the seal shows."""
        scan = self.scan
        if scan.seal is None:
            return None
        seal = seal_of(scan.header.canonical, scan.seal.arrays)
        if seal == scan.seal.digest:
            return scan.seal.arrays
        found = {name: array_digest(array) for name, array in scan.identity.items()}
        found["digest"] = array_digest(scan.digest_VB32)
        if set(found) == set(scan.seal.arrays) and seal_of(scan.header.canonical, found) == scan.seal.digest:
            wrong = ", ".join(name for name in found if found[name] != scan.seal.arrays[name])
            expected = "dgkd_digests that the seal fits"
            scan.add("metadata", "zarr.json", expected=expected, found=f"another SHA-256 of {wrong}")
            return found
        scan.add("seal", "zarr.json", expected=f"seal {scan.seal.digest}", found=seal)
        return scan.seal.arrays

    def _judge_identity(self) -> None:
        scan = self.scan
        for name, array in scan.identity.items():
            file = scan.held.name_of(scan.layout.identity[name], scan.layout.identity[name].only_chunk)
            found = array_digest(array)
            if self.sealed_sha256 is not None and found != self.sealed_sha256[name]:
                scan.add("array", file, array=name, expected=f"SHA-256 {self.sealed_sha256[name]}", found=found)
            elif name in ("label", "test_label") and not labels_within(array, scan.header.classes):
                known = f"labels from 0 to {scan.header.classes - 1}"
                scan.add("foreign", file, array=name, expected=known, found=f"{array.min()} to {array.max()}")
        tests = [f"test_{name}" for name in scan.layout.rows]
        if all(name in scan.identity for name in tests):
            stored = {name: scan.identity[test] for name, test in zip(scan.layout.rows, tests, strict=True)}
            noted = {name for one in scan.damage for name in one.arrays}
            if not scan.header.row_encoding.finite(stored) and not noted & set(tests):
                files = [scan.held.name_of(scan.layout.identity[test], (0, 0)) for test in tests]
                scan.add("not-finite", *files, arrays=tests, expected=scan.header.row_encoding.rule)
        shared = scan.header.row_encoding.shared_arrays(scan.header.classes)
        if all(one.name in scan.identity for one in shared):
            wrong = scan.header.row_encoding.out_of_bounds(scan.identity)
            if wrong and not any(wrong in one.arrays for one in scan.damage):
                file = scan.held.name_of(scan.layout.identity[wrong], scan.layout.identity[wrong].only_chunk)
                scan.add("not-finite", file, array=wrong, expected="numbers within the bounds of the encoding")

    def _prove(self) -> NDArray[np.uint8] | None:
        scan = self.scan
        if self.sealed_sha256 is None or array_digest(scan.digest_VB32) == self.sealed_sha256["digest"]:
            return scan.digest_VB32
        return prove_digests(scan.digest_VB32, scan.computed_VB32, scan.known_VB, self.sealed_sha256["digest"])

    def _judge_digests(self) -> None:
        scan = self.scan
        array = scan.layout.digest
        if self.proven_VB32 is None:
            assert self.sealed_sha256 is not None
            sealed, found = self.sealed_sha256["digest"], array_digest(scan.digest_VB32)
            if scan.held.present["digest"].all():
                scan.add("array", array.name, array=array.name, expected=f"SHA-256 {sealed}", found=found)
            return
        if self.proven_VB32 is scan.digest_VB32:
            return
        noted = scan.damaged_files()
        for view in np.flatnonzero(differing_blocks(self.proven_VB32, scan.digest_VB32).any(axis=1)).tolist():
            file = scan.held.name_of(array, (view, 0, 0))
            if scan.held.present["digest"][view, 0, 0] and file not in noted:
                known, number = "the digests that the seal covers: rows have them", scan.header.view_at(view)
                scan.add("array", file, array=array.name, view=number, expected=known, found="others")

    def _judge_rows(self) -> None:
        scan = self.scan
        wrong_VB = differing_blocks(scan.computed_VB32, self.right_VB32) & scan.known_VB & self.written_VB
        wrong = list(self._runs(wrong_VB))
        elsewhere = self._found_elsewhere({scan.computed_VB32[view, start].tobytes() for view, start, _ in wrong})
        for view, start, stop in wrong:
            right, found = self.right_VB32[view, start].tobytes(), scan.computed_VB32[view, start].tobytes()
            belongs = f", that of {elsewhere[found]}" if found in elsewhere else ""
            self._add_rows("digest", view, start, stop, f"SHA-256 {right.hex()}", f"SHA-256 {found.hex()}{belongs}")
        for run in self._runs(scan.infinite_VB & self.written_VB & ~wrong_VB):
            encoding = scan.header.row_encoding
            self._add_rows("not-finite", *run, encoding.rule, encoding.breach)
        for view, part, name in scan.unpadded:
            if self.written_VB[view, scan.blocks(part)].any():
                file, fill = scan.held.name_of(scan.layout.rows[name], (view, part, 0)), scan.layout.rows[name].fill
                scan.add("padding", file, array=name, **scan.where(view, part), expected=f"{fill}")

    def _runs(self, mask_VB: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
        """Yields view, first and one past the last of each run of consecutive blocks of one chunk."""
        for view in np.flatnonzero(mask_VB.any(axis=1)).tolist():
            blocks = np.flatnonzero(mask_VB[view])
            cuts = np.flatnonzero((np.diff(blocks) != 1) | (np.diff(self.scan.part_of(blocks)) != 0)) + 1
            for run in np.split(blocks, cuts):
                yield view, int(run[0]), int(run[-1]) + 1

    def _found_elsewhere(self, digests: set[bytes]) -> dict[bytes, str]:
        """Finds digests that belong to other rows of this store, as after chunks were swapped."""
        scan = self.scan
        first_8 = np.array(sorted({int.from_bytes(digest[:8], "little") for digest in digests}), dtype="<u8")
        found: dict[bytes, str] = {}
        for view, right_B32 in enumerate(self.right_VB32 if digests else ()):
            alike_B = np.isin(np.ascontiguousarray(right_B32[:, :8]).view("<u8")[:, 0], first_8)
            for block in np.flatnonzero(alike_B).tolist():
                start, stop = scan.samples(block, block + 1)
                where = f"view {scan.header.view_at(view)}, samples {start} to {stop - 1}"
                if (digest := right_B32[block].tobytes()) in digests:
                    found.setdefault(digest, where)
        return found

    def _add_rows(self, kind: str, view: int, start: int, stop: int, expected: str, found: str) -> None:
        """Adds damage of blocks `start` to `stop` of a chunk."""
        scan = self.scan
        files, place = scan.files(view, scan.part_of(start)), scan.where(view, 0)
        place["samples"] = scan.samples(start, stop)
        scan.add(kind, *files, arrays=scan.layout.rows, **place, expected=expected, found=found)

    def _report_absent(self) -> None:
        """Reports missing chunks: of a sealed store any, of an unfinished one those with a digest."""
        scan = self.scan
        noted, wrong_size = scan.damaged_files(), {*scan.held.wrong_size}
        for file in scan.held.wrong_size:
            name, _, key = file.partition("/")
            expected = f"a chunk of {scan.layout.arrays[name].chunk_bytes} bytes"
            where = scan.place(name, tuple(map(int, key.split(".")[1:])))
            scan.add("size", file, array=name, **where, expected=expected, found="another size")
        for name, array in scan.layout.arrays.items():
            absent = ~scan.held.present[name]
            if scan.seal is None and name in scan.layout.rows:
                starts = np.arange(absent.shape[1]) * scan.layout.chunk_rows // scan.header.digest_rows
                absent[..., 0] &= np.logical_or.reduceat(self.written_VB, starts, axis=1)
            elif scan.seal is None and name not in scan.layout.identity:
                continue
            count = int(np.count_nonzero(absent))
            for position in itertools.islice(_positions(absent), MAX_NAMED_ABSENT):
                file = scan.held.name_of(array, position)
                if file not in noted and file not in wrong_size:
                    scan.add("missing", file, array=name, **scan.place(name, position))
            if count > MAX_NAMED_ABSENT:
                scan.add(
                    "missing", name, array=name, found=f"{count - MAX_NAMED_ABSENT} more chunks that are not there"
                )
        if scan.seal is not None and self.proven_VB32 is not None:
            lacking_V = ~self.written_VB.all(axis=1)
            for view in np.flatnonzero(scan.held.present["digest"][:, 0, 0] & lacking_V).tolist():
                file = scan.held.name_of(scan.layout.digest, (view, 0, 0))
                scan.add("missing", file, array="digest", view=scan.header.view_at(view), found="zeros")


def _positions(absent: NDArray[np.bool_]) -> Iterator[Position]:
    """Yields the indices of true elements, found in pieces."""
    flat, step = absent.reshape(-1), 2**16
    for start in range(0, flat.size, step):
        for at in np.flatnonzero(flat[start : start + step]).tolist():
            yield tuple(int(index) for index in np.unravel_index(start + at, absent.shape))
