"""Gets a published store and proves it: `pull`.

The root comes first, then the guard and the seal, then what the seal covers, then rows, each chunk held to its digests
as soon as it is there. The store gets its name when all of it is right.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dgkd_stores.arguments import as_path, require_callable, require_integer, require_kind
from dgkd_stores.checking.damage import Verification
from dgkd_stores.checking.verify import verify
from dgkd_stores.disk.files import full_disk, make_folder, publish_new
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock
from dgkd_stores.disk.paths import names_hdf5, names_store
from dgkd_stores.errors import Damaged, DgkdError, InvalidInput, Mismatch, StoreNotFound, UnsafeStore
from dgkd_stores.format.checks import HEX64
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.limits import MAX_METADATA_BYTES
from dgkd_stores.sharing.address import Address, parse_address
from dgkd_stores.sharing.beside import fetch_signature, keep_signature
from dgkd_stores.sharing.fetch import Fetcher
from dgkd_stores.sharing.guard import Guarded, Published, fetch_guarded
from dgkd_stores.sharing.inventory import ROOT
from dgkd_stores.sharing.open_place import open_place
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.pulled_file import FilePull
from dgkd_stores.sharing.pulled_folder import FolderPull
from dgkd_stores.sharing.remote import Remote
from dgkd_stores.sharing.requests import attempt
from dgkd_stores.sharing.signatures import Signature, verify_signature
from dgkd_stores.sharing.trust import TrustedKeys

__all__ = ["Pulled", "pull"]

_LEFT = "what was fetched is kept"


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """The result of `pull`."""

    address: str
    """The address of the published store."""
    path: Path | None
    """The path of the store on this machine; None with `dry_run`."""
    seal: str
    """The seal of the store, SHA-256 in hex."""
    guide: str
    """The name of the guide."""
    nbytes: int
    """The size of the store's chunks in bytes; where the place cannot list, an upper bound for compressed ones."""
    fetched_files: int
    """Number of files that were fetched; the others were there and right."""
    signature: Signature | None
    """The signature of a key that was required; None if none was."""
    verification: Verification | None
    """The result of `verify(full=True)` on the store; None with `dry_run`."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON; the size is called `bytes`."""
        return {
            "address": self.address,
            "path": None if self.path is None else str(self.path),
            "seal": self.seal,
            "guide": self.guide,
            "bytes": self.nbytes,
            "fetched_files": self.fetched_files,
            "signature": None if self.signature is None else asdict(self.signature),
            "verification": None if self.verification is None else self.verification.to_dict(),
        }


def pull(
    source: str,
    destination: Path | str = ".",
    *,
    seal: str | None = None,
    trusted: TrustedKeys | None = None,
    jobs: int = 4,
    dry_run: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Pulled:
    """Gets the store at `source`, the address of a store or of a place that holds one, and verifies all of it.

    `destination` is a folder, in which the store has its own name, or a path that ends in .zarr or .h5. A store
    that is there already, of the same seal, is verified; if it is damaged, only what is wrong is fetched. `seal` is
    the one that it must have; with `trusted` it must have a signature by one of these keys, which is checked before
    its rows are fetched. A signature is kept beside the store. `jobs` is the number of files on their way at a
    time; `report` gets the bytes done and the total; `stop` is called between pieces. Raises StoreNotFound,
    Incomplete for a store without a seal or after lost connections, Damaged for content that its seal does not fit,
    Mismatch for another seal, a signature that does not count, or something else at the destination, Locked while
    another process writes there, NoSpace, UnsafeStore as `GuideStore.open`, InvalidInput for an address or a seal
    that cannot be one, and Interrupted.
    """
    require_kind("pull", "source", source, str, expected="an address, as text")
    into = as_path("pull", "destination", destination)
    require_integer("pull", "jobs", jobs, low=1, high=256)
    require_callable("pull", report=report, stop=stop)
    require_kind("pull", "trusted", trusted, (TrustedKeys, type(None)), expected="TrustedKeys, or None")
    if seal is not None and not HEX64.fullmatch(str(seal)):
        raise InvalidInput("pull: the seal cannot be one", expected="64 lower-case hexadecimal digits", found=str(seal))
    address = parse_address(source)
    remote = open_place(address)
    tally = Tally(0, report, stop)
    name = address.name or _only_store(remote, address, tally)
    target = into if names_store(into) else into / name
    if names_hdf5(name) != names_hdf5(target):
        raise InvalidInput(
            f"{target} is no name for this store",
            expected="an HDF5 file" if names_hdf5(name) else "a name that ends in .zarr",
            found=target.name,
            do="pull it under its own form, and then `dgkd-cache export` it",
        )
    one = _Pull(remote, address.of(name), name, target, seal=seal, trusted=trusted, jobs=jobs, tally=tally)
    return one.run(dry_run=dry_run)


class _Pull:
    """The pull of one store to `target`."""

    def __init__(
        self,
        remote: Remote,
        address: str,
        name: str,
        target: Path,
        *,
        seal: str | None,
        trusted: TrustedKeys | None,
        jobs: int,
        tally: Tally,
    ) -> None:
        self._remote, self._address, self._name, self._target = remote, address, name, target
        self._seal, self._trusted, self._jobs, self._tally = seal, trusted, jobs, tally
        self._signed: bytes | None = None
        self._signature: Signature | None = None

    def run(self, *, dry_run: bool) -> Pulled:
        work = self._file if names_hdf5(self._name) else self._folder
        if dry_run:
            with tempfile.TemporaryDirectory() as scratch:
                return work(Path(scratch), None)
        with full_disk(self._target, left=_LEFT):
            make_folder(self._target.parent)
        with ViewLock(self._target, ALL_VIEWS, guide="") as lock, lock.unfinished("guard") as scratch_folder:
            scratch_folder.mkdir()
            return work(scratch_folder, lock)

    def _folder(self, scratch: Path, lock: ViewLock | None) -> Pulled:
        listed = attempt(self._tally, lambda: self._remote.names(f"{self._name}/"), self._name)
        sizes = {name.removeprefix(f"{self._name}/"): found for name, found in (listed or {}).items()}
        fetcher = Fetcher(self._remote, f"{self._name}/", self._tally)
        count = None if listed is None else len(listed)
        published = Published(fetcher=fetcher, address=self._address, seal=self._seal, listed=count)
        guarded = fetch_guarded(published, scratch / "metadata", jobs=self._jobs, tally=self._tally)
        self._check_signature(guarded.held.header, guarded.seal)
        staging = self._target.with_name(f".{self._target.name}.{guarded.key}.partial")
        one = FolderPull(guarded, fetcher, self._address, staging, sizes=sizes, tally=self._tally)
        if lock is None:
            return self._pulled(guarded.seal, guarded.held.header.guide.name)
        there = self._there(guarded.seal)
        if there is not None and not there.damage:
            keep_signature(self._target, self._signed, lock)
            return self._pulled(guarded.seal, there.header.guide.name, there)
        if there is not None:
            one.take_up(self._target)
        try:
            found = one.run(self._jobs)
        except Damaged as error:
            raise self._explain(fetcher, guarded, error) from error
        lock.check()
        self._publish(staging, lock)
        return self._pulled(guarded.seal, found.header.guide.name, found, len(one.fetched))

    def _file(self, scratch: Path, lock: ViewLock | None) -> Pulled:
        staging = self._target.with_name(f".{self._target.name}.pull")
        one = FilePull(self._remote, self._name, self._address, staging, seal=self._seal, tally=self._tally)
        held = one.inspect()
        if held is not None and held.seal is not None:
            self._check_signature(held.header, held.seal.digest)
        if lock is None:
            if held is None or held.seal is None:
                return self._pulled("", "")
            return self._pulled(held.seal.digest, held.header.guide.name)
        if os.path.lexists(self._target):
            seal = held.seal.digest if held and held.seal else ""
            there = self._there(seal)
            assert there is not None
            if not there.damage:
                keep_signature(self._target, self._signed, lock)
                return self._pulled(seal, there.header.guide.name, there)
            os.replace(self._target, staging)
        found = one.run()
        assert found.seal is not None
        if held is None:
            self._check_signature(found.header, found.seal)
        lock.check()
        self._publish(staging, lock)
        return self._pulled(found.seal, found.header.guide.name, found, 1)

    def _there(self, seal: str) -> Verification | None:
        """Verifies the store that is at the target; raises Mismatch for anything but the one with that seal."""
        if not os.path.lexists(self._target):
            return None
        found = None
        with contextlib.suppress(DgkdError):
            found = verify(self._target, full=True)
        if found is not None and found.seal != seal:
            found = None
        if found is None or found.exit_code == UnsafeStore.exit_code:
            raise Mismatch(
                f"{self._target} is there already and is left as it is",
                expected=f"nothing, or the store with the seal {seal}",
                found="something else" if found is None else "that store with files that do not belong to it",
                do="give another DEST, or remove it",
            )
        return found

    def _publish(self, staging: Path, lock: ViewLock) -> None:
        with full_disk(self._target, left=_LEFT):
            keep_signature(self._target, self._signed, lock)
            try:
                publish_new(staging, self._target)
            except FileExistsError as error:
                raise Mismatch(f"{self._target} has appeared meanwhile and is left as it is", do="remove it") from error

    def _check_signature(self, header: StoreHeader, seal: str) -> None:
        """Fetches the signature; raises Mismatch unless it is by a trusted key, if keys are required."""
        self._signed = fetch_signature(self._remote, self._name, self._tally)
        if self._trusted is not None:
            source = f"{self._address}.sig"
            self._signature = verify_signature(
                self._signed, header=header, seal=seal, trusted=self._trusted, source=source
            )

    def _explain(self, fetcher: Fetcher, guarded: Guarded, error: Damaged) -> DgkdError:
        """Returns Mismatch instead of `error` if another store has taken the place of the one that was begun."""
        with contextlib.suppress(FileNotFoundError, DgkdError):
            if fetcher.small(ROOT, limit=MAX_METADATA_BYTES) == guarded.metadata[ROOT]:
                return error
        return Mismatch(
            f"{self._address} was replaced while it was pulled",
            expected=f"the store with the seal {guarded.seal}",
            found="another one, or none",
            do="pull again; a store that was published should never change: ask its maker",
        )

    def _pulled(self, seal: str, guide: str, found: Verification | None = None, fetched: int = 0) -> Pulled:
        return Pulled(
            address=self._address,
            path=None if found is None else self._target,
            seal=seal,
            guide=guide,
            nbytes=self._tally.total if found is None else found.nbytes,
            fetched_files=fetched,
            signature=self._signature,
            verification=found,
        )


def _only_store(remote: Remote, address: Address, tally: Tally) -> str:
    """Returns the name of the only store at a place; raises InvalidInput if the place cannot list, or has several."""
    listed = attempt(tally, lambda: remote.names(""), address.place)
    if listed is None:
        raise InvalidInput(
            f"{address.place} cannot be listed",
            expected="the address of a store, which ends in its name",
            found="that of a place",
            do=f"write {address.place}/NAME.zarr or NAME.h5, as whoever published it calls it",
        )
    first = {name.partition("/")[0] for name in listed}
    stores = sorted(name for name in first if names_store(name))
    if not stores:
        raise StoreNotFound(
            f"no guide store at {address.place}",
            expected="NAME.zarr or NAME.h5",
            found=f"{len(first)} other names" if first else "nothing",
            do="check the address",
        )
    if len(stores) > 1:
        raise InvalidInput(
            f"{address.place} holds several stores",
            expected="the address of one of them",
            found=", ".join(stores[:10]),
            do=f"write {address.of(stores[0])}",
        )
    return stores[0]
