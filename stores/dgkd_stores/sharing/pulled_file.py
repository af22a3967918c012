"""Fetches a published HDF5 file: inspected by Range before its bulk, verified whole, its wrong chunks fetched again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from dgkd_stores.checking.damage import Damage, Verification
from dgkd_stores.checking.verify import verify
from dgkd_stores.coding.digests import seal_of
from dgkd_stores.containers.hdf5_file import Hdf5File
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import Damaged, Mismatch, StoreNotFound, UnsafeStore
from dgkd_stores.format.limits import MAX_OTHER_BYTES, MAX_RECORD_BYTES
from dgkd_stores.sharing.fetch import LEFT, Fetcher, partial_of
from dgkd_stores.sharing.guard import check_seal, naming, not_whole, replaced
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Changed, Found, NoRanges, Remote
from dgkd_stores.sharing.remote_blocks import RemoteBlocks, read_part
from dgkd_stores.sharing.requests import attempt

__all__ = ["FilePull"]

TRIES = 2
"""Number of times that what is wrong is fetched before what is published counts as damaged."""

_MOST_BYTES = 2 * (MAX_RECORD_BYTES + MAX_OTHER_BYTES)


class FilePull:
    """The pull of the file `name` at a place; `seal` is the one that it must have, None for any."""

    def __init__(self, remote: Remote, name: str, address: str, *, seal: str | None, tally: Tally) -> None:
        self._remote, self._name, self._address = remote, name, address
        self._wanted, self._tally = seal, tally
        self._announced: str | None = None
        self._fetcher = Fetcher(remote, "", tally)
        self.found = self._find()
        """The file at the place."""
        tally.total = self.found.size

    @property
    def key(self) -> str:
        """A name for this store in this form, once it was inspected: what is left under it may go on."""
        assert self._announced is not None
        return f"{self._announced[:16]}.{self.found.size}"

    def inspect(self) -> Hdf5File | None:
        """Inspects the file where it was published; returns None if that place has no ranges.

        Nothing but a store of the seal that was found then comes out of `run`. Raises Mismatch for another seal than
        the wanted one, or for a file that is replaced meanwhile, and as `Hdf5File.inspect`.
        """
        try:
            with self._unchanged(), naming(self._address, Path(self._address)):
                blocks = RemoteBlocks(self._remote, self._name, self.found, self._address, self._tally)
                held = Hdf5File.of_blocks(blocks)
        except NoRanges:
            return None
        self._announced = self._check_seal(held)
        return held

    def missing(self, path: Path) -> int:
        """Returns the number of bytes that `run` would fetch, at most."""
        if os.path.lexists(path):
            return 0
        there = partial_of(path)
        return self.found.size - (there.lstat().st_size if os.path.lexists(there) else 0)

    def run(self, path: Path) -> Verification:
        """Fetches the file to `path` and verifies it; goes on with what is there.

        What is wrong is fetched again, once, and so is what was there and is wrong. Raises as `inspect`, and Damaged.
        """
        kept = os.path.lexists(path) or os.path.lexists(partial_of(path))
        if os.path.lexists(path):
            self._tally.advance(path.lstat().st_size)
        tries = TRIES + kept
        while True:
            with self._unchanged():
                self._fetch(path)
            try:
                found = self._verify(path)
                while found.damage and tries > 1 and self._mend(path, found):
                    tries -= 1
                    found = self._verify(path)
                if not found.damage:
                    return found
                problem = f"{self._address} is damaged where it was published, or on each of {TRIES} ways"
                raise not_whole(problem, found)
            except (Damaged, Mismatch, UnsafeStore) as error:
                self._fetcher.discard(path)
                tries -= 1
                # What was fetched whole and is another store would be that the second time, too.
                if tries < 1 or (tries < TRIES and isinstance(error, Mismatch)):
                    raise

    def _fetch(self, path: Path) -> None:
        if not os.path.lexists(path):
            self._fetcher.file(
                self._name,
                path,
                size=self.found.size,
                fits=lambda size: size <= _MOST_BYTES,
                expected=f"an HDF5 file of at most {_MOST_BYTES} bytes",
                tag=self.found.tag,
            )

    def _verify(self, path: Path) -> Verification:
        with naming(self._address, path):
            held = Hdf5File.inspect(path)
        self._check_seal(held)
        with naming(self._address, path):
            return verify(path, full=True, stop=self._tally.check)

    def _check_seal(self, held: Hdf5File) -> str:
        """Returns the seal; raises Mismatch if it is not the wanted one, or not that of the inspected file."""
        assert held.seal is not None
        seal = held.seal.digest
        computed = seal_of(held.header.canonical, held.seal.arrays)
        check_seal(self._address, found=seal, computed=computed, wanted=self._wanted)
        if self._announced not in (None, seal):
            raise self._replaced()
        return seal

    def _mend(self, path: Path, found: Verification) -> bool:
        """Fetches damaged chunks of rows again, in place; returns False if other things are damaged."""
        try:
            places = sorted(set(self._places(Hdf5File.inspect(path), found.damage)))
            with self._unchanged(), full_disk(path, left=LEFT), _writable(path) as handle:
                for start, nbytes in places:
                    data = read_part(self._remote, self._name, self.found, start, start + nbytes, self._tally)
                    os.pwrite(handle, data, start)
        except (NoRanges, LookupError):
            return False
        return bool(places)

    @contextlib.contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Raises Mismatch where the file at the place is no longer the one that was found."""
        try:
            yield
        except Changed as error:
            raise self._replaced() from error

    def _replaced(self) -> Mismatch:
        seal = self._announced
        return replaced(
            self._address, f"the store with the seal {seal}" if seal else "the file that was there at first"
        )

    @staticmethod
    def _places(held: Hdf5File, damage: tuple[Damage, ...]) -> Iterator[tuple[int, int]]:
        """Yields offset and size of the chunks that are damaged; raises LookupError if it is more than rows."""
        for one in damage:
            if (
                one.kind not in ("digest", "undecodable", "padding", "not-finite")
                or one.view is None
                or not one.samples
            ):
                raise LookupError(one.file)
            view, part = held.header.place_of(one.view), one.samples[0] // held.layout.chunk_rows
            for array in held.layout.rows.values():
                place = held.place(array, (view, part, 0))
                assert place.nbytes is not None
                yield place.offset, place.nbytes

    def _find(self) -> Found:
        try:
            return attempt(self._tally, lambda: self._remote.read(self._name).found, self._name)
        except FileNotFoundError as error:
            raise StoreNotFound(
                f"no guide store at {self._address}",
                expected="an HDF5 file",
                found="none",
                do="check the address: it ends in the name of the store, or is that of the place that holds it",
            ) from error


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
        os.fsync(handle)
    finally:
        os.close(handle)
