"""Fetches the chunks of a published Zarr folder, each proven by its digests as soon as it is there.

Files are collected in a folder beside the target; it gets its root and then its own name when every one is right. What
an interrupted pull has left there is read again and kept; a chunk that is wrong is fetched again, and nothing else.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.checking.damage import Verification
from dgkd_stores.checking.verify import verify
from dgkd_stores.coding.codecs import RAW
from dgkd_stores.coding.digests import array_digest
from dgkd_stores.containers import ZarrFolder
from dgkd_stores.disk.files import plain_file, replace_file, sweep_partials, sync_folder, write_durably
from dgkd_stores.errors import Damaged
from dgkd_stores.format.layout import ArrayLayout
from dgkd_stores.sharing.arrival import Arrival, Content, Hashed, RowsArrival, narrow_first
from dgkd_stores.sharing.fetch import Fetcher
from dgkd_stores.sharing.guard import Guarded, naming, not_whole
from dgkd_stores.sharing.inventory import ROOT, check_rows, positions, require_right
from dgkd_stores.sharing.parallel import Tally, in_parallel
from dgkd_stores.sharing.remote import Found

__all__ = ["FolderPull"]

TRIES = 2
"""Number of times that a chunk is fetched whole before what is published counts as damaged."""

_Chunk = tuple[ArrayLayout, tuple[int, ...]]


class FolderPull:
    """The chunks of a guarded store that are fetched into `folder`, which may have some of them already.

    `sizes` are those of the objects by name, where the place can list; `tally` gets the total. `first_place` is the
    place in the published store, from 0, of the first view of `guarded`, where that is a part of it.
    """

    def __init__(
        self,
        guarded: Guarded,
        fetcher: Fetcher,
        address: str,
        folder: Path,
        *,
        sizes: Mapping[str, Found],
        tally: Tally,
        first_place: int = 0,
    ) -> None:
        self._guarded, self._fetcher, self._address, self.folder = guarded, fetcher, address, folder
        self._first_place = first_place
        self._sizes, self._tally = sizes, tally
        self._held: ZarrFolder = replace(guarded.held, path=folder)
        self._digest_VB32: NDArray[np.uint8] = np.zeros(self._held.layout.digest.shape, dtype=np.uint8)
        self.fetched = dict[str, int]()
        """Size of each file that was fetched, by name; the others were there and right."""
        self._counted = set[str]()
        """Names of the files whose bytes the tally has."""
        tally.total = sum(map(self._size, self._chunks()))

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each file of the store, by name; where the place cannot list, at most."""
        metadata = {name: len(data) for name, data in self._guarded.metadata.items()}
        return metadata | {self._name(each): self._size(each) for each in self._chunks()}

    def missing(self, damaged: Verification | None) -> dict[str, int]:
        """Returns the size of each chunk that `run` would fetch, also of a `damaged` store at the target.

        What an earlier pull has left counts as right as long as its size is possible.
        """
        wrong = damaged.damaged_files if damaged else ()
        folder = damaged.path if damaged else self.folder
        names = {self._name(each): each for each in self._chunks()}
        return {
            name: self._size(each)
            for name, each in names.items()
            if name in wrong or not self._is_there(each[0], folder / name)
        }

    def run(self, jobs: int) -> Verification:
        """Fetches what is missing or wrong, `jobs` chunks at a time, and verifies the whole.

        The folder then has its root. Raises as `fetch_arrays`.
        """
        self.fetch_arrays(jobs)
        layout = self._held.layout
        parts = ((view, part) for view in range(self._held.header.views) for part in range(layout.chunks_per_view))
        in_parallel(self._obtain_rows, parts, jobs=jobs, tally=self._tally)
        for name in layout.rows:
            sync_folder(self.folder / name)
        sweep_partials(self.folder)
        write_durably(self.folder / ROOT, self._guarded.metadata[ROOT])
        return self._verdict()

    def fetch_arrays(self, jobs: int) -> None:
        """Fetches what is missing or wrong of all but the rows, `jobs` files at a time.

        Raises Damaged for what is wrong `TRIES` times, and as `Fetcher.file`.
        """
        layout = self._held.layout
        for name in layout.arrays:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            sweep_partials(self.folder / name)
        metadata = [f"{name}/{ROOT}" for name in layout.arrays]
        in_parallel(self._metadata, metadata, jobs=jobs, tally=self._tally)
        self._obtain_digests(jobs)
        in_parallel(self._obtain_array, layout.identity.values(), jobs=jobs, tally=self._tally)
        for name in layout.others:
            sync_folder(self.folder / name)

    def _verdict(self) -> Verification:
        """Checks names, sizes, metadata and the seal; the rows were hashed when they arrived."""
        with naming(self._address, self.folder):
            found = verify(self.folder)
        if found.damage:
            (self.folder / ROOT).unlink()
            again = f"remove {self.folder}, where it was fetched to, and pull again"
            raise not_whole(f"{self._address} is not whole after all", found, do=again)
        return replace(found, full=True, blocks_checked=found.blocks)

    def _metadata(self, name: str) -> None:
        path = self.folder / name
        if not path.is_file() or path.is_symlink() or path.read_bytes() != self._guarded.metadata[name]:
            replace_file(path, self._guarded.metadata[name])

    def _obtain_digests(self, jobs: int) -> None:
        """Fetches the digests, and holds all of them to the SHA-256 under the seal."""
        array = self._held.layout.digest
        chunks = [(array, at) for at in positions(array)]

        def fetch(chunk: _Chunk) -> None:
            self._fetch(chunk, Content(self._digest_VB32[chunk[1][0]].reshape(-1)))

        def attempt() -> Damaged | None:
            in_parallel(fetch, chunks, jobs=jobs, tally=self._tally)
            return self._differs(array, array_digest(self._digest_VB32))

        self._obtain(chunks, array.name, attempt)

    def _obtain_array(self, array: ArrayLayout) -> None:
        """Fetches a whole array, and holds it to the SHA-256 under the seal."""
        hashed, chunks = Hashed(), [(array, at) for at in positions(array)]

        def attempt() -> Damaged | None:
            for each in chunks:
                self._fetch(each, hashed)
            return self._differs(array, hashed.digest)

        self._obtain(chunks, array.name, attempt)

    def _obtain_rows(self, place: tuple[int, int]) -> None:
        """Fetches a chunk of rows, and holds it to its digests: while it arrives, unless it has to be decoded."""
        view, part = place
        held, digests = self._held, self._digest_VB32
        arrival = RowsArrival(held, part) if held.layout.codec is RAW else None
        chunks = [(array, (view, part, 0)) for array in narrow_first(held.layout)]

        def attempt() -> Damaged | None:
            for each in chunks:
                self._fetch(each, None if arrival is None else arrival.files[each[0].name])
            try:
                if arrival is None:
                    check_rows(held, digests, view, part)
                else:
                    require_right(held, digests, view, part, arrival.result())
            except Damaged as error:
                return error
            return None

        self._obtain(chunks, self._published_name(chunks[-1]), attempt)

    def _obtain(self, chunks: Sequence[_Chunk], name: str, attempt: Callable[[], Damaged | None]) -> None:
        """Fetches chunks by `attempt`, which returns an error if they are wrong; raises Damaged after `TRIES` of them.

        What was there, from an earlier pull, is none of these.
        """
        there = (os.path.lexists(self._path(each)) for each in chunks if self._name(each) not in self.fetched)
        left = TRIES + any(there)
        while wrong := attempt():
            self._discard(chunks)
            left -= 1
            if not left:
                raise Damaged(
                    f"{self._address}/{name} is damaged where it was published, or on each of {TRIES} ways",
                    expected=wrong.expected,
                    found=wrong.found,
                    do="tell whoever published it; everything else that was fetched is kept for the next pull",
                ) from wrong

    def _differs(self, array: ArrayLayout, found: str) -> Damaged | None:
        """Returns the error for an array whose SHA-256 is not the one under the seal."""
        assert self._held.seal is not None
        sealed = self._held.seal.arrays[array.name]
        return None if found == sealed else Damaged(array.name, expected=f"SHA-256 {sealed}", found=found)

    def _fetch(self, chunk: _Chunk, arrival: Arrival | None) -> None:
        """Fetches a file, unless it is there, of a possible size, for `arrival`."""
        array, path, name = chunk[0], self._path(chunk), self._name(chunk)
        self._tally.check()
        if self._is_there(array, path):
            if name not in self._counted:
                self._counted.add(name)
                self._tally.advance(path.lstat().st_size)
            if arrival is not None:
                with plain_file(path) as (handle, size):
                    arrival.read(handle, size)
            return
        if os.path.lexists(path):
            path.unlink()
        exact = array.chunk_bytes if array.codec is RAW else None
        expected = f"{array.chunk_bytes} bytes" if exact else f"a compressed chunk of {array.chunk_bytes} bytes"
        self._fetcher.file(
            self._published_name(chunk),
            path,
            size=exact,
            fits=functools.partial(self._fits, array),
            expected=expected,
            arrival=arrival,
        )
        self.fetched[name] = path.lstat().st_size
        self._counted.add(name)

    def _discard(self, chunks: Sequence[_Chunk]) -> None:
        for each in chunks:
            self._fetcher.discard(self._path(each))
            self._counted.discard(self._name(each))

    def _chunks(self) -> list[_Chunk]:
        return [(array, at) for array in self._held.layout.arrays.values() for at in positions(array)]

    def _size(self, chunk: _Chunk) -> int:
        found = self._sizes.get(self._published_name(chunk))
        return chunk[0].chunk_bytes if found is None else found.size

    def _is_there(self, array: ArrayLayout, path: Path) -> bool:
        return path.is_file() and not path.is_symlink() and self._fits(array, path.lstat().st_size)

    @staticmethod
    def _fits(array: ArrayLayout, size: int) -> bool:
        return array.codec.plausible(size, array.chunk_bytes)

    def _published_name(self, chunk: _Chunk) -> str:
        array, position = chunk
        if array.name in self._held.layout.rows:
            position = (position[0] + self._first_place, *position[1:])
        return self._held.name_of(array, position)

    def _name(self, chunk: _Chunk) -> str:
        return self._held.name_of(*chunk)

    def _path(self, chunk: _Chunk) -> Path:
        return self.folder / self._name(chunk)
