"""The seal's judgement of all that is there, as far as it can tell what is damaged: under `verify` and under repair.

Only content covered by a verified digest is used; where the digests themselves are damaged, rows may tell which were
sealed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.checking.recover_digests import prove_digests
from dgkd_stores.checking.scan import Look, Position, Report
from dgkd_stores.coding.digests import array_digest, differing_blocks, seal_of
from dgkd_stores.coding.encodings import encoding_named
from dgkd_stores.format.identity import labels_within
from dgkd_stores.format.limits import MAX_NAMED_ABSENT

__all__ = ["Report", "Survey"]


class Survey(Look):
    """A look over a whole store, judged: what is damaged, and what proves the rest.

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
        super().__init__(path, full=full, report=report, stop=stop)
        self.vouched: Mapping[str, str] | None = self._judge_root()
        self._judge_identity()
        if full:
            self.read_metadata()
            for view, part in self.present_chunks() if chunks is None else chunks:
                self.read_rows(view, part)
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
        for run in self._runs(self.infinite_VB & self.written_VB & ~wrong_VB):
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

    def _add_rows(self, kind: str, view: int, start: int, stop: int, expected: str, found: str) -> None:
        """Blocks `start` to `stop` of a chunk."""
        files, place = self._files(view, self._part(start)), self._where(view, 0)
        place["samples"] = self._samples(start, stop)
        self._add(kind, *files, arrays=self.layout.rows, **place, expected=expected, found=found)

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
            for position in itertools.islice(_positions(absent), MAX_NAMED_ABSENT):
                file = self.held.name_of(array, position)
                if file not in noted and file not in wrong_size:
                    self._add("missing", file, array=name, **self._place(name, position))
            if count > MAX_NAMED_ABSENT:
                self._add(
                    "missing", name, array=name, found=f"{count - MAX_NAMED_ABSENT} more chunks that are not there"
                )
        if self.seal is not None and self.proven_VB32 is not None:
            lacking_V = ~self.written_VB.all(axis=1)
            for view in np.flatnonzero(self.held.present["digest"][:, 0, 0] & lacking_V).tolist():
                file = self.held.name_of(self.layout.digest, (view, 0, 0))
                self._add("missing", file, array="digest", view=view + self.header.first_view, found="zeros")


def _positions(absent: NDArray[np.bool_]) -> Iterator[Position]:
    """The indices where it is true, found piece by piece."""
    flat, step = absent.reshape(-1), 2**16
    for start in range(0, flat.size, step):
        for at in np.flatnonzero(flat[start : start + step]).tolist():
            yield tuple(int(index) for index in np.unravel_index(start + at, absent.shape))
