"""Writes a guide store in whole chunks, each durable before its digest.

After a stop or a kill at any point, chunks with a digest are kept, and the finished store has the same files as an
uninterrupted one. stores/FORMAT.md has the order of the writes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import as_path, require_callable, require_flags, require_kind
from dgkd_stores.coding.codecs import get_codec
from dgkd_stores.coding.digests import Seal, compute_seal
from dgkd_stores.coding.encodings import Encoding
from dgkd_stores.containers import ZarrFolder, damaged
from dgkd_stores.disk.files import make_folder, sync_folder, write_durably
from dgkd_stores.disk.folder_lock import Stop, never
from dgkd_stores.disk.locks import ViewLock
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import InvalidInput
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.identity import IdentityArrays
from dgkd_stores.format.layout import StoreLayout, default_chunk_rows, group_metadata, json_file
from dgkd_stores.writing.chunk_files import ChunkFiles, ChunkSlot, ViewHolder
from dgkd_stores.writing.compare import check_same_header, check_same_identity
from dgkd_stores.writing.skeleton import write_skeleton

__all__ = ["GuideStoreWriter", "seal_finished"]


class GuideStoreWriter(ViewHolder):
    """Creates a store or resumes one that was stopped; a context manager that holds the lock on its views.

    `views` is the part of this writer, by default all views of the header; `codec` compresses the rows of a new store,
    an existing one keeps its own. Raises `Locked` for a live writer of any of these views, and for one on another host
    unless `take_over`; `Interrupted` if `stop` is true while another process holds the store's parent folder;
    `Mismatch` if the existing store was made with another header or other identity arrays; `InvalidInput` for arrays
    that do not match the header; `NoSpace`; and as `ZarrFolder.inspect`.
    """

    path: Path
    """The path of the store."""
    header: StoreHeader
    """The header of the store."""
    views: range
    """The views that this writer writes."""

    _layout: StoreLayout
    _files: ChunkFiles
    _encoding: Encoding
    _seal: Seal | None
    _identity: dict[str, NDArray[Any]]
    _digest_VB32: NDArray[np.uint8]
    _done_VB: NDArray[np.bool_]

    def __init__(
        self,
        path: Path | str,
        header: StoreHeader,
        identity: IdentityArrays,
        *,
        views: range | None = None,
        codec: str = "none",
        take_over: bool = False,
        stop: Stop = never,
    ) -> None:
        self.path, self.header = as_path("GuideStoreWriter", "path", path), header
        require_kind("GuideStoreWriter", "header", header, StoreHeader, expected="a StoreHeader")
        require_kind("GuideStoreWriter", "identity", identity, IdentityArrays, expected="IdentityArrays")
        require_kind(
            "GuideStoreWriter", "views", views, (range, type(None)), expected="a range of view numbers, or None"
        )
        require_kind("GuideStoreWriter", "codec", codec, str, expected="the name of a codec")
        require_flags("GuideStoreWriter", take_over=take_over)
        require_callable("GuideStoreWriter", stop=stop)
        self.views = header.view_range if views is None else views
        whole = header.view_range
        if not self.views or self.views.step != 1 or self.views[0] < whole[0] or self.views[-1] > whole[-1]:
            raise InvalidInput("views to write", expected=f"some of {whole}", found=f"{self.views}")
        layout = StoreLayout(header, chunk_rows=default_chunk_rows(header), codec=get_codec(codec))
        layout.check_limits(self.path)
        given = identity.encoded(header, layout)
        with full_disk(self.path):
            make_folder(self.path.parent)
        self._lock = ViewLock(self.path, self.views, guide=header.guide.called, take_over=take_over, stop=stop)
        try:
            with full_disk(self.path):
                if not _holds_something(self.path):
                    self._create(layout, given)
            self._take_up(given)
        except BaseException:
            self.close()
            raise

    def missing(self) -> Iterator[ChunkSlot]:
        """Yields the unfinished chunks of this writer's views in order, by the state at that time."""
        samples, rows = self.header.dataset.samples, self._layout.chunk_rows
        for view in self.views:
            for start in range(0, samples, rows):
                slot = ChunkSlot(view, start, min(start + rows, samples))
                if not self._is_done(slot):
                    yield slot

    def write(self, slot: ChunkSlot, logits_SC: NDArray[np.float32], *, condensed: bool = False) -> None:
        """Writes the softened logits (divided by the header's temperature) of one chunk of `missing()`.

        With `condensed` they are the condensed rows of the header's encoding, float32 (S, F): of `factored`, the
        coefficients before they are rounded. On return the chunk and its digests are durable. Raises InvalidInput for
        another shape or dtype, for values that the encoding cannot hold, and for a slot not from `missing()`; after
        NoSpace it is still missing.
        """
        self._check(slot, logits_SC, condensed)
        stored, digests = self._files.encode(self._encoding, logits_SC, condensed=condensed)
        with full_disk(self.path):
            self._files.write(slot, stored, digests, self._digest_VB32)
        view, _, blocks = self._files.place(slot)
        self._done_VB[view, blocks] = True

    def seal(self) -> str | None:
        """Finishes the store if all its views are written, by any writer; returns the seal, or None. Raises NoSpace."""
        if self._seal is None:
            self._seal = seal_finished(self.path, self._identity, self._lock)
        return self._seal.digest if self._seal else None

    def _create(self, layout: StoreLayout, identity: dict[str, NDArray[Any]]) -> None:
        """Creates the store without its rows in the lock's folder, and moves it to its path in one step."""
        with self._lock.unfinished("skeleton.partial") as skeleton:
            write_skeleton(skeleton, self.header, layout, identity)
            try:
                os.rename(skeleton, self.path)
            except OSError:
                if not _holds_something(self.path):
                    raise
                # A writer of other views was first: its store is resumed and compared like any other.
                shutil.rmtree(skeleton)
        sync_folder(self.path.parent)

    def _take_up(self, given: dict[str, NDArray[Any]]) -> None:
        held = ZarrFolder.inspect(self.path)
        check_same_header(self.path, stored=held.header, given=self.header)
        self._layout, self._seal = held.layout, held.seal
        self._files = ChunkFiles(self.path, self.header, held.layout, self._lock)
        self._identity = held.identity()
        check_same_identity(self.path, stored=self._identity, given=given)
        self._encoding = self.header.row_encoding.bound(self._identity)
        self._digest_VB32 = held.digests()
        self._done_VB = held.blocks_done(self._digest_VB32)
        if self._seal is None:
            return
        if not self._done_VB.all():
            view = self.header.view_at(int(np.flatnonzero(~self._done_VB.all(axis=1))[0]))
            problem, found = f"{self.path} is sealed and has lost rows", f"view {view} without some of them"
            raise damaged(self.path, problem, "every chunk and every digest", found)
        seal = compute_seal(self.header.canonical, {"digest": self._digest_VB32, **self._identity})
        if self._seal != seal:
            problem = f"{self.path}: its content is not what was sealed"
            raise damaged(self.path, problem, f"seal {self._seal.digest}", seal.digest)

    def _is_done(self, slot: ChunkSlot) -> bool:
        view, _, blocks = self._files.place(slot)
        return bool(self._done_VB[view, blocks].all())

    def _check(self, slot: ChunkSlot, logits_SC: NDArray[np.float32], condensed: bool) -> None:
        self._files.check(slot, logits_SC, condensed=condensed)
        rows = self._layout.chunk_rows
        whole = slot.start % rows == 0 and slot.stop == min(slot.start + rows, self.header.dataset.samples)
        if slot.view not in self.views or not whole or self._is_done(slot):
            raise InvalidInput("a slot to write", expected="one that `missing()` gives", found=f"{slot}")


def seal_finished(path: Path, identity: Mapping[str, NDArray[Any]], lock: ViewLock) -> Seal | None:
    """Seals the store at `path` if every block is written; `lock` is a lock on some of its views."""
    held = ZarrFolder.inspect(path)
    digest_VB32 = held.digests()
    if not held.blocks_done(digest_VB32).all():
        return None
    seal = compute_seal(held.header.canonical, {"digest": digest_VB32, **identity})
    with full_disk(path), lock.unfinished("zarr.json.partial") as partial:
        # Another writer's last digest may be in place, but its name not durable yet.
        sync_folder(path / held.layout.digest.name)
        write_durably(path / "zarr.json", json_file(group_metadata(held.header, seal)), temporary=partial)
    return seal


def _holds_something(path: Path) -> bool:
    return os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir()))
