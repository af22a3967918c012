"""Publishes a finished store at a place: `push`.

Metadata, digests and whole arrays come first, then rows, then the root, each by one create-only request; what lies
there with other content is never replaced. Run again, it sends only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dgkd_stores.arguments import as_path, require_callable, require_flags, require_integer, require_kind
from dgkd_stores.checking.verify import verify
from dgkd_stores.containers import damaged
from dgkd_stores.disk.files import read_file
from dgkd_stores.disk.paths import names_hdf5, names_store
from dgkd_stores.errors import InvalidInput, Mismatch
from dgkd_stores.sharing.address import Address, parse_address
from dgkd_stores.sharing.inventory import Inventory
from dgkd_stores.sharing.open_place import open_place
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.publication import OTHER_PLACE, Publication
from dgkd_stores.sharing.remote import Remote
from dgkd_stores.sharing.requests import attempt, ensure

__all__ = ["Pushed", "push"]


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """The result of `push`."""

    address: str
    """The address of the published store, for `pull`."""
    seal: str
    """The seal of the store, SHA-256 in hex."""
    files: int
    """Number of files of the store."""
    nbytes: int
    """The size of all files of the store, in bytes."""
    sent_files: int
    """Number of files that were sent, or with `dry_run` would be; the others were there already."""
    sent_bytes: int
    """The size of these, in bytes."""
    conditional: bool | None
    """False if the place replaces what a create-only request names, so that two pushes at once could mix.

    None if that is unknown, because nothing was sent.
    """
    dry_run: bool
    """True if nothing was sent."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON; the size is called `bytes`."""
        return {"bytes" if name == "nbytes" else name: value for name, value in asdict(self).items()}


def push(
    store: Path | str,
    destination: str,
    *,
    jobs: int = 4,
    dry_run: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Pushed:
    """Publishes a finished store at `destination`, the address of a place, or of the store there (NAME.zarr, NAME.h5).

    `jobs` is the number of files on their way at a time, each in memory; `report` gets the bytes done and the total;
    `stop` is called between requests. Raises Incomplete for a store that is not finished, or after lost connections,
    Damaged for a store that its seal does not fit, Mismatch if anything else lies there, Locked while another push
    writes the same folder, NoSpace, InvalidInput for an address that cannot be written, and Interrupted.
    """
    path = as_path("push", "store", store)
    require_kind("push", "destination", destination, str, expected="an address, as text")
    require_integer("push", "jobs", jobs, low=1, high=256)
    require_flags("push", dry_run=dry_run)
    require_callable("push", report=report, stop=stop)
    address = parse_address(destination)
    name = address.name or path.absolute().name
    _check_target(address, path, name)
    remote = open_place(address)
    tally = Tally(0, report, stop)
    send = _push_file if names_hdf5(name) else _push_folder
    return send(path, name, remote, address, tally, jobs=jobs, dry_run=dry_run)


def _push_folder(
    path: Path, name: str, remote: Remote, address: Address, tally: Tally, *, jobs: int, dry_run: bool
) -> Pushed:
    inventory = Inventory(path)
    tally.total = inventory.nbytes
    publication = Publication(inventory, name, remote, tally)
    if not dry_run:
        with remote.publishing(name):
            publication.run(jobs)
    return Pushed(
        address=address.of(name),
        seal=inventory.seal,
        files=len(inventory.sizes),
        nbytes=inventory.nbytes,
        sent_files=len(publication.missing),
        sent_bytes=sum(publication.missing.values()),
        conditional=remote.conditional,
        dry_run=dry_run,
    )


def _push_file(
    path: Path, name: str, remote: Remote, address: Address, tally: Tally, *, jobs: int, dry_run: bool
) -> Pushed:
    """Publishes an HDF5 file, which is one object."""
    found = verify(path, full=True, stop=tally.halted.is_set)
    if found.damage or found.seal is None:
        raise damaged(path, f"{path} is damaged and is not sent", "no damage", f"{len(found.damage)} damaged places")
    data = read_file(path).data
    tally.total = len(data)
    there = (attempt(tally, lambda: remote.names(name), name) or {}).get(name)
    if not dry_run:
        with remote.publishing(name):
            if not ensure(remote, name, data, tally, there=there):
                raise Mismatch(
                    f"another file lies at {address.of(name)}",
                    expected=f"nothing, or the store with the seal {found.seal}",
                    found="other content",
                    do=OTHER_PLACE,
                )
        tally.advance(len(data))
    return Pushed(
        address=address.of(name),
        seal=found.seal,
        files=1,
        nbytes=len(data),
        sent_files=int(there is None),
        sent_bytes=len(data) if there is None else 0,
        conditional=remote.conditional,
        dry_run=dry_run,
    )


def _check_target(address: Address, path: Path, name: str) -> None:
    """Raises InvalidInput for an address that cannot be written, and for a name of another form than the store's."""
    if address.scheme in ("http", "https"):
        raise InvalidInput(
            f"{address.place} is only read from",
            expected="a folder, or an address of s3://, gs://, az:// or hf://",
            found=f"{address.scheme}://",
            do="push into the folder that the web server serves",
        )
    if not names_store(name):
        raise InvalidInput(
            f"{path} has no name of a store",
            expected="NAME.zarr or NAME.h5",
            found=name,
            do="give the name at the end of the address, as in DEST/NAME.zarr",
        )
    if path.exists() and names_hdf5(name) == path.is_dir():
        raise InvalidInput(
            f"{address.of(name)} is no name for {'a Zarr folder' if path.is_dir() else 'an HDF5 file'}",
            expected=".zarr for a Zarr folder, .h5 for an HDF5 file",
            found=name,
            do="leave the name out, or bring the store into that form with `dgkd-cache export` first",
        )
