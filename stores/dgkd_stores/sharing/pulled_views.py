"""Takes some views out of a published store: a new sealed store, with what proves it against the published one.

The root and all that the seal covers are fetched whole; of the rows, only those of the views.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dgkd_stores.checking.origin import origin_path
from dgkd_stores.coding.digests import compute_seal
from dgkd_stores.containers import ZarrFolder
from dgkd_stores.disk.files import replace_file, sync_folder, write_durably
from dgkd_stores.format.layout import ArrayLayout, StoreLayout, group_metadata, json_file
from dgkd_stores.sharing.fetch import Fetcher
from dgkd_stores.sharing.guard import Guarded
from dgkd_stores.sharing.inventory import ROOT, positions
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.pulled_folder import FolderPull
from dgkd_stores.sharing.remote import Found
from dgkd_stores.sharing.subset import subset_header, subset_identity

__all__ = ["ViewsPull", "keep_origin"]


class ViewsPull:
    """The pull of `views` of a guarded store; raises InvalidInput for views that it does not have, or all of them."""

    def __init__(
        self,
        guarded: Guarded,
        views: range,
        fetcher: Fetcher,
        address: str,
        sizes: Mapping[str, Found],
        tally: Tally,
    ) -> None:
        self._guarded, self._views = guarded, views
        self._fetcher, self._address, self._sizes, self._tally = fetcher, address, sizes, tally
        self.fetched = dict[str, int]()
        """Size of each file that was fetched of the published store, without the rows, by name."""
        self.header = subset_header(guarded.held.header, guarded.seal, views)
        self.key = f"{guarded.key}.{views.start}-{views.stop}"
        """A name for these views of this store in this form."""

    def fetch_origin(self, folder: Path, jobs: int) -> Guarded:
        """Fetches root, metadata and what the seal covers into `folder`; returns the part, whose rows are not there."""
        whole = FolderPull(self._guarded, self._fetcher, self._address, folder, sizes=self._sizes, tally=self._tally)
        whole.fetch_arrays(jobs)
        write_durably(folder / ROOT, self._guarded.metadata[ROOT])
        self.origin, origin = folder, ZarrFolder.inspect(folder)
        self.fetched = whole.fetched
        header, held = self.header, self._guarded.held
        first = held.header.place_of(self._views.start)
        self._arrays = {
            **subset_identity(held.header, origin.identity(), self._views),
            "digest": origin.digests()[first : first + len(self._views)],
        }
        seal = compute_seal(header.canonical, self._arrays)
        layout = StoreLayout(header, chunk_rows=held.layout.chunk_rows, codec=held.layout.codec)
        metadata = {f"{name}/{ROOT}": self._metadata(array) for name, array in layout.arrays.items()}
        metadata[ROOT] = json_file(group_metadata(header, seal))
        part = replace(held, header=header, seal=seal, layout=layout, present={}, nbytes=0)
        return Guarded(held=part, metadata=metadata)

    def part(self, part: Guarded, folder: Path) -> FolderPull:
        """Returns the pull of the rows into `folder`, which gets the part's arrays."""
        for name, array in part.held.layout.others.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            for position in positions(array):
                content = self._arrays[name] if name != "digest" else self._arrays[name][position[0]]
                replace_file(folder / name / array.key(*position), array.encode(content))
        first = self._guarded.held.header.place_of(self._views.start)
        return FolderPull(
            part, self._fetcher, self._address, folder, sizes=self._sizes, tally=self._tally, first_place=first
        )

    def _metadata(self, array: ArrayLayout) -> bytes:
        """Returns the zarr.json of an array of the part, with the compressor's settings of the published one."""
        published = json.loads(self._guarded.metadata[f"{array.name}/{ROOT}"])
        return json_file({**array.metadata(), "codecs": published["codecs"]})


def keep_origin(store: Path, origin: Path) -> None:
    """Moves the root and the digests of the fetched `origin` beside `store`; another one there is replaced."""
    kept = origin_path(store)
    for other in origin.iterdir():
        if other.name not in (ROOT, "digest"):
            shutil.rmtree(other)
    if os.path.lexists(kept):
        shutil.rmtree(kept)
    os.rename(origin, kept)
    sync_folder(kept.parent)
