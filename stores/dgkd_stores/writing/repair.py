"""Repairs a store: from the seal and the rows if they suffice, the rest from logits that are computed again.

A file of a finished store is replaced only by one that matches the seal, in one step, under a lock on all views. A
repair that is stopped at any point leaves the store no worse, and the next one continues; the result has the original
files. No seal covers header and whole arrays of an unfinished store: they come from the guide.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import as_path, require_callable, require_flags
from dgkd_stores.checking.diagnosis import Diagnosis, Report
from dgkd_stores.coding.digests import Seal, array_digest, differing_blocks
from dgkd_stores.containers import ZarrFolder
from dgkd_stores.disk.files import make_folder, sync_folder, write_durably, write_synced
from dgkd_stores.disk.locks import ViewLock
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import Damaged, InvalidInput
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.identity import IdentityArrays
from dgkd_stores.format.layout import group_metadata, json_file
from dgkd_stores.writing.chunk_files import ChunkFiles, ChunkSlot, ViewHolder
from dgkd_stores.writing.mendable import header_of, other_than_sealed, refuse_unmendable
from dgkd_stores.writing.writer import seal_finished

__all__ = ["StoreRepair"]

_SHOWN = 5


class StoreRepair(ViewHolder):
    """Repairs a damaged or unfinished store; a context manager that holds the lock on all of its views.

    Call `mend`; then, for the rest, `write_arrays` and `write` with the guide's new results; then `finish`. Opening
    reads the whole store. Raises `Locked`, `UnsafeStore` (15) for foreign files in the store, `InvalidInput` for an
    HDF5 file, `Damaged` if header or seal are lost, and as `open_container`.
    """

    path: Path
    """The path of the store."""
    header: StoreHeader
    """The header of the store."""
    lost_arrays: tuple[str, ...]
    """Names of the arrays besides the rows that must be written again, by `write_arrays`."""

    def __init__(
        self,
        path: Path | str,
        *,
        take_over: bool = False,
        report: Report = lambda done, total: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = as_path("StoreRepair", "path", path)
        require_flags("StoreRepair", take_over=take_over)
        require_callable("StoreRepair", report=report, stop=stop)
        self.header = header_of(self.path)
        self._mended_chunks: set[tuple[int, int]] = set()
        self._staged: dict[Path, Path] = {}
        # The error of the lock names no guide: dumping it would not repair a finished store.
        self._lock = ViewLock(self.path, self.header.view_range, guide="", take_over=take_over, stop=stop)
        try:
            self._diagnosis = Diagnosis(self.path, full=True, report=report, stop=stop)
            self._scan = self._diagnosis.scan
            refuse_unmendable(self.path, self.header, self._scan.damage)
            self._files = ChunkFiles(self.path, self.header, self._scan.layout, self._lock)
            self.mended = self._files.replaced
            """Files that were replaced, in order."""
            self._right_VB32 = self._diagnosis.right_VB32.copy()
            self.lost_arrays = self._find_lost_arrays()
            self._lost = self._find_lost_chunks()
            self._shared = self._scan.identity
        except BaseException:
            self.close()
            raise

    @property
    def sealed(self) -> bool:
        """True if the store was finished."""
        return self._scan.seal is not None

    @property
    def lost_chunks(self) -> list[ChunkSlot]:
        """Rows that must be computed again, in order."""
        return [ChunkSlot(self.header.view_at(view), *self._scan.slot(part)) for view, part in sorted(self._lost)]

    @cached_property
    def test_rows_MF(self) -> NDArray[np.float32] | None:
        """The guide's rows on the test set, condensed as its encoding has them (F = C: logits), if undamaged."""
        names = {name: f"test_{name}" for name in self._scan.layout.rows}
        if set(names.values()) & set(self.lost_arrays):
            return None
        arrays = {name: self._scan.identity[test] for name, test in names.items()}
        return self.header.row_encoding.condensed(arrays)

    def mend(self) -> None:
        """Repairs parts that need no guide: metadata, padding, and digests that rows and seal prove. Raises NoSpace."""
        with full_disk(self.path):
            self._mend_metadata()
            self._mend_digests()
            self._mend_padding()

    def write_arrays(self, identity: IdentityArrays) -> None:
        """Replaces those of `lost_arrays` that differ.

        Raises Mismatch, before any change, if one was not sealed so, InvalidInput for a shape or type that the header
        does not allow, and NoSpace.
        """
        layout, sealed = self._scan.layout.identity, self._diagnosis.sealed_sha256
        given, held = identity.encoded(self.header, self._scan.layout), self._scan.identity
        self._shared = given
        for name in self.lost_arrays:
            if sealed is not None and (found := array_digest(given[name])) != sealed[name]:
                raise other_than_sealed(self.path, self.header, name, sealed[name], found)
        with full_disk(self.path):
            for name in self.lost_arrays:
                if name not in held or given[name].tobytes() != held[name].tobytes():
                    self._files.replace(layout[name], layout[name].only_chunk, given[name])
        self.lost_arrays = ()

    def write(self, slot: ChunkSlot, logits_SC: NDArray[np.float32], *, condensed: bool = False) -> None:
        """Replaces a chunk of `lost_chunks` by the softened logits of its rows; see `GuideStoreWriter.write`.

        Raises Mismatch, without a change, if these are not the rows that were sealed. If the digests are lost together
        with the rows, `finish` checks and replaces the chunk. Raises InvalidInput for another slot, shape or dtype, and
        NoSpace.
        """
        self._files.check(slot, logits_SC, condensed=condensed)
        if slot not in self.lost_chunks:
            raise InvalidInput("a slot to write", expected="one of `lost_chunks`", found=f"{slot}")
        encoding = self.header.row_encoding
        if not condensed:
            encoding = encoding.bound(self._shared)
        stored, digests = self._files.encode(encoding, logits_SC, condensed=condensed)
        view, part, blocks = self._files.place(slot)
        before = self._right_VB32[view, blocks]
        with full_disk(self.path):
            if self._scan.seal is None:
                self._files.write(slot, stored, digests, self._right_VB32)
            elif self._diagnosis.proven_VB32 is None:
                self._stage(view, part, stored)
                self._right_VB32[view, blocks] = digests
            elif (digests != before).any():
                block = int(np.flatnonzero((digests != before).any(axis=1))[0])
                where = f"view {slot.view}, samples from {slot.start + block * self.header.digest_rows}"
                sealed, found = before[block].tobytes().hex(), digests[block].tobytes().hex()
                raise other_than_sealed(self.path, self.header, where, sealed, found)
            else:
                self._files.write_rows(slot, stored)
        self._mended_chunks.add((view, part))
        self._lost.discard((view, part))

    def finish(self) -> str | None:
        """Moves chunks that `write` held back to their places, seals an unfinished store, and checks all repaired
        parts.

        Returns the seal, or None while rows are missing. Raises Mismatch if held-back chunks are not what was sealed,
        Damaged if a repaired part still is damaged, and NoSpace.
        """
        if self._lost or self.lost_arrays:
            return None
        with full_disk(self.path):
            if self._staged:
                self._commit()
            seal = self._scan.seal
            if seal is None:
                seal = seal_finished(self.path, ZarrFolder.inspect(self.path).identity(), self._lock)
                self.mended.append("zarr.json")
        if self.mended:
            for one in Diagnosis(self.path, full=True, chunks=sorted(self._mended_chunks)).scan.damage[:1]:
                raise Damaged(
                    f"{self.path / one.file} is still damaged after its repair",
                    expected=one.expected,
                    found=one.found,
                    do="look at the disk: what was just written to it does not come back",
                )
        return seal.digest if seal else None

    def _find_lost_arrays(self) -> tuple[str, ...]:
        scan = self._scan
        if scan.seal is None:
            return tuple(scan.layout.identity)
        damaged = {name for one in scan.damage if one.kind == "array" for name in one.arrays}
        return tuple(name for name in scan.layout.identity if name not in scan.identity or name in damaged)

    def _find_lost_chunks(self) -> set[tuple[int, int]]:
        scan = self._scan
        wrong_VB = ~scan.known_VB | differing_blocks(scan.computed_VB32, self._right_VB32)
        parts = range(scan.layout.chunks_per_view)
        wrong_V = np.flatnonzero(wrong_VB.any(axis=1)).tolist()
        return {(view, part) for view in wrong_V for part in parts if wrong_VB[view, scan.blocks(part)].any()}

    def _mend_metadata(self) -> None:
        scan = self._scan
        wanted = dict(scan.held.metadata_files())
        if scan.seal is not None and self._diagnosis.sealed_sha256 is not None:
            seal = Seal(digest=scan.seal.digest, arrays=self._diagnosis.sealed_sha256)
            wanted["zarr.json"] = json_file(group_metadata(self.header, seal))
        for name in sorted(scan.damaged_files() & set(wanted)):
            make_folder((self.path / name).parent)
            with self._lock.unfinished(f"{name.replace('/', '.')}.partial") as partial:
                write_durably(self.path / name, wanted[name], temporary=partial)
            self.mended.append(name)

    def _mend_digests(self) -> None:
        scan, array = self._scan, self._scan.layout.digest
        if scan.seal is None or self._diagnosis.proven_VB32 is None:
            return
        differing_V = differing_blocks(self._diagnosis.proven_VB32, scan.digest_VB32).any(axis=1)
        differing_V |= ~scan.held.present["digest"][:, 0, 0]
        for view in np.flatnonzero(differing_V).tolist():
            self._files.replace(array, (view, 0, 0), self._diagnosis.proven_VB32[view])

    def _mend_padding(self) -> None:
        for view, part, name in self._scan.unpadded:
            if (view, part) not in self._lost:
                array, (start, stop) = self._scan.layout.rows[name], self._scan.slot(part)
                rows = self._scan.held.chunk(array, (view, part, 0))[0][: stop - start]
                self._files.replace(array, (view, part, 0), rows)
                self._mended_chunks.add((view, part))

    def _stage(self, view: int, part: int, stored: dict[str, NDArray[Any]]) -> None:
        """Keeps a chunk beside the store until all digests together prove it."""
        for name, rows in stored.items():
            array = self._scan.layout.rows[name]
            with self._lock.unfinished(f"{name}.{array.key(view, part, 0)}.staged") as staged:
                write_synced(staged, array.encode(rows))
            self._staged[staged] = self.path / name / array.key(view, part, 0)

    def _commit(self) -> None:
        scan, array = self._scan, self._scan.layout.digest
        assert self._diagnosis.sealed_sha256 is not None
        sealed, found = self._diagnosis.sealed_sha256["digest"], array_digest(self._right_VB32)
        if found != sealed:
            views = sorted({self.header.view_at(view) for view, _ in self._mended_chunks})
            shown = ", ".join(map(str, views[:_SHOWN])) + (" and more" if len(views) > _SHOWN else "")
            raise other_than_sealed(self.path, self.header, f"views {shown}", sealed, found)
        for staged, place in self._staged.items():
            with self._lock.unfinished(staged.name):
                os.replace(staged, place)
            self.mended.append(str(place.relative_to(self.path)))
        for name in scan.layout.rows:
            sync_folder(self.path / name)
        self._staged.clear()
        for view in np.flatnonzero(differing_blocks(self._right_VB32, scan.digest_VB32).any(axis=1)).tolist():
            self._files.replace(array, (view, 0, 0), self._right_VB32[view])
