"""The order of a pull, whatever the place: the store has its name when all of it is right.

The root comes first, then the guard and the seal, then the signature, then what the seal covers, then rows, each chunk
held to its digests as soon as it is there. What has arrived lies in a hidden folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dgkd_stores.checking.damage import Verification
from dgkd_stores.checking.origin import origin_path, refuse_other_origin
from dgkd_stores.checking.verify import verify
from dgkd_stores.disk.files import make_folder, publish_new
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock
from dgkd_stores.disk.paths import names_hdf5
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import Damaged, DgkdError, Interrupted, Mismatch, UnsafeStore
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.limits import MAX_METADATA_BYTES
from dgkd_stores.sharing.beside import fetch_signature, keep_signature
from dgkd_stores.sharing.damaged_copy import lost_its_root, take_up
from dgkd_stores.sharing.fetch import LEFT, Fetcher
from dgkd_stores.sharing.guard import Guarded, Published, fetch_guarded, replaced
from dgkd_stores.sharing.inventory import ROOT
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.pulled import Pulled
from dgkd_stores.sharing.pulled_file import FilePull
from dgkd_stores.sharing.pulled_folder import FolderPull
from dgkd_stores.sharing.pulled_views import ViewsPull, keep_origin
from dgkd_stores.sharing.remote import Remote
from dgkd_stores.sharing.requests import attempt
from dgkd_stores.sharing.signatures import Signature, signed_statement, verify_signature
from dgkd_stores.sharing.trust import TrustedKeys

__all__ = ["Pulling"]


@dataclass(kw_only=True)
class Pulling:
    """The pull of one store at a place to `target`; see `pull` for the arguments and errors."""

    remote: Remote
    address: str
    """The address of the store."""
    name: str
    """The name of the store at the place."""
    target: Path
    seal: str | None
    trusted: TrustedKeys | None
    views: range | None
    jobs: int
    take_over: bool
    tally: Tally
    _signed: bytes | None = None
    _signature: Signature | None = None

    def run(self, *, dry_run: bool) -> Pulled:
        work = self._file if names_hdf5(self.name) else self._folder
        if dry_run:
            with full_disk(Path(tempfile.gettempdir()), left=LEFT), tempfile.TemporaryDirectory() as scratch:
                return work(Path(scratch), None)
        # The files of chunks name themselves where they are fetched; this is for all else that is written.
        with full_disk(self.target, left=LEFT):
            make_folder(self.target.parent)
            lock = ViewLock(self.target, ALL_VIEWS, guide="", take_over=self.take_over)
            with lock, lock.unfinished("guard") as scratch_folder:
                scratch_folder.mkdir()
                return work(scratch_folder, lock)

    def _folder(self, scratch: Path, lock: ViewLock | None) -> Pulled:
        listed = attempt(self.tally, lambda: self.remote.names(f"{self.name}/"), self.name)
        sizes = {name.removeprefix(f"{self.name}/"): found for name, found in (listed or {}).items()}
        fetcher = Fetcher(self.remote, f"{self.name}/", self.tally)
        count = None if listed is None else len(listed)
        published = Published(fetcher=fetcher, address=self.address, seal=self.seal, listed=count)
        guarded = fetch_guarded(published, scratch / "metadata", jobs=self.jobs, tally=self.tally)
        self._fetch_signature()
        self._check_signature(guarded.held.header, guarded.seal)
        try:
            if self.views is None:
                staging = self._beside(guarded.key)
                one = FolderPull(guarded, fetcher, self.address, staging, sizes=sizes, tally=self.tally)
                return self._all(one, guarded, lock)
            some = ViewsPull(guarded, self.views, fetcher, self.address, sizes, self.tally)
            return self._some(some, guarded, lock, scratch)
        except Damaged as error:
            raise self._explain(fetcher, guarded, error) from error

    def _all(self, one: FolderPull, guarded: Guarded, lock: ViewLock | None, some: ViewsPull | None = None) -> Pulled:
        """Fetches all chunks of a store, or of its part, beside which root and digests of the whole are put first."""
        known = lost_its_root(self.target, guarded)
        there = None if known else self._there(guarded.seal)
        result = self._result(guarded.seal, guarded.held.header, one.sizes)
        origin = {} if some is None else some.fetched
        if there is not None and not there.damage:
            if some is not None and lock is not None:  # the store is whole, and what proves it has gone
                keep_origin(self.target, some.origin)
                shutil.rmtree(one.folder)
                there = replace(verify(self.target), full=True, blocks_checked=there.blocks_checked)
            return _fetched(self._was_there(result, there, lock), origin)
        if lock is None:
            return _fetched(result, origin | one.missing(there))
        if known or there is not None:
            take_up(self.target, one.folder, guarded, there.damaged_files if there else ())
        found = one.run(self.jobs)
        lock.check()
        if some is not None:
            keep_origin(self.target, some.origin)
        self._publish(one.folder, lock)
        if some is not None:
            found = replace(verify(self.target), full=True, blocks_checked=found.blocks)
        return _fetched(self._proven(result, found), origin | one.fetched)

    def _some(self, one: ViewsPull, guarded: Guarded, lock: ViewLock | None, scratch: Path) -> Pulled:
        """Fetches some views, as a new store that names the published one."""
        if (there := self._part_there(one, guarded)) is not None:
            files = {str(path): path.lstat().st_size for path in self.target.rglob("*") if path.is_file()}
            return self._was_there(self._result(there.seal, there.header, files), there, lock)
        refuse_other_origin(self.target)
        part = one.fetch_origin(scratch / "origin" if lock is None else self._beside(f"{one.key}.origin"), self.jobs)
        chunks = one.part(part, scratch / "part" if lock is None else self._beside(part.key))
        return self._all(chunks, part, lock, one)

    def _part_there(self, one: ViewsPull, guarded: Guarded) -> Verification | None:
        """Verifies the store at the target; returns None unless it is these views of the published one, whole."""
        if os.path.lexists(self.target):
            found = self._verify_target()
            if (
                found is not None
                and found.header == one.header
                and found.origin_seal == guarded.seal
                and not found.damage
            ):
                return found
        return None

    def _beside(self, key: str) -> Path:
        return self.target.with_name(f".{self.target.name}.{key}.partial")

    def _file(self, scratch: Path, lock: ViewLock | None) -> Pulled:
        one = FilePull(self.remote, self.name, self.address, seal=self.seal, tally=self.tally)
        self._fetch_signature()
        held = one.inspect()
        seal = held.seal.digest if held is not None and held.seal is not None else None
        result = self._result(seal, None if held is None else held.header, {self.name: one.found.size})
        if held is not None and seal is not None:
            self._check_signature(held.header, seal)
        there = self._there(seal)
        if there is not None and seal is not None and not there.damage:
            return self._was_there(result, there, lock)
        # Where the seal is known only in the end, what an earlier pull has left could be of any store.
        staging = scratch / "file" if seal is None else self._beside(one.key)
        if lock is None:
            return _fetched(result, {self.name: one.missing(staging)})
        if there is not None and seal is not None:
            os.replace(self.target, staging)
        found = one.run(staging)
        assert found.seal is not None
        self._check_signature(found.header, found.seal)
        lock.check()
        if seal is None and self._there(found.seal) is not None:
            self._keep_signature(lock)
            os.replace(staging, self.target)
        else:
            self._publish(staging, lock)
        return _fetched(self._proven(result, found), {self.name: found.nbytes})

    def _there(self, seal: str | None) -> Verification | None:
        """Verifies the store at the target; raises Mismatch for anything but the one with that seal (None: any)."""
        if not os.path.lexists(self.target):
            return None
        found = self._verify_target()
        if found is not None and seal not in (None, found.seal):
            found = None
        if found is None or found.exit_code == UnsafeStore.exit_code:
            raise Mismatch(
                f"{self.target} is there already and is left as it is",
                expected=f"nothing, or the store with the seal {seal}" if seal else "nothing, or this store",
                found="something else" if found is None else "that store with files that do not belong to it",
                do="give another DEST, or remove it",
            )
        return found

    def _verify_target(self) -> Verification | None:
        """Reads and checks what is at the target; returns None if it is no store.

        Its bytes are reported, and taken back if they are damaged: what is right of them counts again then.
        """
        tally, total, before = self.tally, self.tally.total, self.tally.done
        try:
            found = verify(self.target, full=True, report=tally.counting(), stop=tally.check)
        except Interrupted:
            raise
        except DgkdError:
            found = None
        if tally.done > before and (found is None or found.damage):
            tally.advance(before - tally.done)
            tally.total = total
        return found

    def _publish(self, staging: Path, lock: ViewLock) -> None:
        self._keep_signature(lock)
        try:
            publish_new(staging, self.target)
        except FileExistsError as error:
            raise Mismatch(f"{self.target} has appeared meanwhile and is left as it is", do="remove it") from error

    def _fetch_signature(self) -> None:
        """Fetches the signature; raises Mismatch unless a trusted key made it, of whatever, if keys are required."""
        self._signed = fetch_signature(self.remote, self.name, self.tally)
        if self.trusted is not None:
            self._signature, _ = signed_statement(self._signed, trusted=self.trusted, source=f"{self.address}.sig")

    def _check_signature(self, header: StoreHeader, seal: str) -> None:
        """Raises Mismatch unless the signature is of this store and by a trusted key, if keys are required."""
        if self.trusted is not None:
            verify_signature(self._signed, header=header, seal=seal, trusted=self.trusted, source=f"{self.address}.sig")

    def _keep_signature(self, lock: ViewLock) -> None:
        """Keeps the signature beside the store, or that of the published store beside what is kept of it."""
        keep_signature(self.target if self.views is None else origin_path(self.target), self._signed, lock)

    def _explain(self, fetcher: Fetcher, guarded: Guarded, error: Damaged) -> DgkdError:
        """Returns Mismatch instead of `error` if another store has taken the place of the one that was begun."""
        try:
            same = fetcher.small(ROOT, limit=MAX_METADATA_BYTES) == guarded.metadata[ROOT]
        except (FileNotFoundError, UnsafeStore):
            same = False
        except DgkdError:
            same = True  # it cannot be asked now
        if same:
            return error
        return replaced(self.address, f"the store with the seal {guarded.seal}")

    def _result(self, seal: str | None, header: StoreHeader | None, sizes: Mapping[str, int]) -> Pulled:
        """Returns what is known before anything is fetched, as the result of a dry run that finds nothing to fetch."""
        return Pulled(
            address=self.address,
            path=self.target,
            seal=seal,
            guide=None if header is None else header.guide.called,
            files=len(sizes),
            nbytes=sum(sizes.values()),
            was_there=False,
            fetched_files=0,
            fetched_bytes=0,
            signature=self._signature,
            verification=None,
            dry_run=True,
        )

    def _was_there(self, result: Pulled, there: Verification, lock: ViewLock | None) -> Pulled:
        """Returns the result for a store that is at the target, whole; its signature is kept all the same."""
        if lock is None:
            return replace(result, was_there=True)
        self._keep_signature(lock)
        return replace(self._proven(result, there), was_there=True)

    def _proven(self, result: Pulled, found: Verification) -> Pulled:
        """Returns the result for a store that has its name now."""
        return replace(
            result,
            seal=found.seal,
            guide=found.header.guide.called,
            nbytes=found.nbytes,
            verification=replace(found, path=self.target),
            dry_run=False,
        )


def _fetched(result: Pulled, sizes: Mapping[str, int]) -> Pulled:
    return replace(result, fetched_files=len(sizes), fetched_bytes=sum(sizes.values()))
