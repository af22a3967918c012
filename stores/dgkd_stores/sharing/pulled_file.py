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
from dgkd_stores.disk.files import full_disk
from dgkd_stores.errors import Damaged, DgkdError, StoreNotFound, UnsafeStore
from dgkd_stores.format.limits import MAX_OTHER_BYTES, MAX_RECORD_BYTES
from dgkd_stores.sharing.fetch import Fetcher
from dgkd_stores.sharing.guard import check_seal, naming
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Changed, Found, NoRanges, Remote
from dgkd_stores.sharing.remote_blocks import RemoteBlocks, read_part
from dgkd_stores.sharing.requests import attempt

__all__ = ["FilePull"]

_MOST_BYTES = 2 * (MAX_RECORD_BYTES + MAX_OTHER_BYTES)


class FilePull:
    """The pull of the file `name` at a place to `path`, an unfinished name beside its target."""

    def __init__(self, remote: Remote, name: str, address: str, path: Path, *, seal: str | None, tally: Tally) -> None:
        self._remote, self._name, self._address, self._path = remote, name, address, path
        self._wanted, self._tally = seal, tally
        self._fetcher = Fetcher(remote, "", tally)
        self.found = self._find()
        """The file at the place."""
        tally.total = self.found.size

    def inspect(self) -> Hdf5File | None:
        """Inspects the file where it was published; returns None if that place has no ranges.

        Raises Mismatch for another seal than the wanted one, and as `Hdf5File.inspect`.
        """
        try:
            with naming(self._address, self._path):
                blocks = RemoteBlocks(self._remote, self._name, self.found, self._address, self._tally)
                held = Hdf5File.of_blocks(blocks)
        except NoRanges:
            return None
        self._check_seal(held)
        return held

    def run(self) -> Verification:
        """Fetches the file and verifies it; what is wrong is fetched again, once. Raises as `inspect`, and Damaged."""
        found = self._fetch_and_verify()
        if found.damage and not self._mend(found):
            self._fetcher.discard(self._path)
            found = self._fetch_and_verify()
        elif found.damage:
            found = self._verify()
        if found.damage:
            self._fetcher.discard(self._path)
            one = found.damage[0]
            raise (UnsafeStore if found.exit_code == UnsafeStore.exit_code else Damaged)(
                f"{self._address} is damaged where it was published, or on each of 2 ways",
                expected=one.expected,
                found=f"{one.kind} of {one.file}",
                do="tell whoever published it",
            )
        return found

    def _fetch_and_verify(self) -> Verification:
        expected = f"an HDF5 file of at most {_MOST_BYTES} bytes"
        if not self._path.exists():
            self._fetcher.file(
                self._name, self._path, size=None, fits=lambda size: size <= _MOST_BYTES, expected=expected
            )
        return self._verify()

    def _verify(self) -> Verification:
        with naming(self._address, self._path):
            held = Hdf5File.inspect(self._path)
            self._check_seal(held)
            return verify(self._path, full=True, stop=self._tally.check)

    def _check_seal(self, held: Hdf5File) -> None:
        assert held.seal is not None
        computed = seal_of(held.header.canonical, held.seal.arrays)
        check_seal(self._address, found=held.seal.digest, computed=computed, wanted=self._wanted)

    def _mend(self, found: Verification) -> bool:
        """Fetches damaged chunks of rows again, in place; returns False if other things are damaged."""
        try:
            held = Hdf5File.inspect(self._path)
            places = sorted(set(self._places(held, found.damage)))
            with full_disk(self._path), _writable(self._path) as handle:
                for start, nbytes in places:
                    data = read_part(self._remote, self._name, self.found, start, start + nbytes, self._tally)
                    os.pwrite(handle, data, start)
        except (NoRanges, Changed, LookupError, DgkdError):
            return False
        return bool(places)

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
