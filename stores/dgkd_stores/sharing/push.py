"""Publishes a finished store at a place: `push`.

What lies there with other content is never replaced. Run again, it sends only what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from dgkd_stores.arguments import as_path, require_callable, require_flags, require_integer, require_kind
from dgkd_stores.checking.verify import verify
from dgkd_stores.containers import damaged
from dgkd_stores.disk.files import read_file
from dgkd_stores.disk.paths import names_hdf5, names_store
from dgkd_stores.errors import InvalidInput, Mismatch
from dgkd_stores.sharing.address import Address, parse_address, require_folder
from dgkd_stores.sharing.beside import differing, files_beside, publish_beside, refuse_other_texts
from dgkd_stores.sharing.hub import Hub
from dgkd_stores.sharing.hub_publication import HubPublication, commit, tag
from dgkd_stores.sharing.inventory import Inventory
from dgkd_stores.sharing.object_publication import ObjectPublication
from dgkd_stores.sharing.one_guide import OTHER_PLACE, require_place
from dgkd_stores.sharing.open_place import open_place
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import WritableRemote
from dgkd_stores.sharing.requests import attempt, ensure

__all__ = ["Pushed", "push"]

_MOST_BYTES = {"s3": 5 * 2**30, "az": 5000 * 2**20}
"""The largest object that one request of a service creates."""


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
    beside: tuple[str, ...]
    """Names of the files that lie beside the store: its signature, if it has one, and its card."""
    sent_beside: tuple[str, ...]
    """Those of them that were sent, or with `dry_run` would be; the others were there already."""
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
    data_licence: str = "",
    dry_run: bool = False,
    take_over: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Pushed:
    """Publishes a finished store at `destination`, the address of a place, or of the store there (NAME.zarr, NAME.h5).

    `jobs` is the number of files on their way at a time, each in memory; `data_licence` is that of the images, for
    the card; with `take_over` a push that another host or container holds a lock for counts as dead, as in `convert`;
    `report` gets the bytes done and the total, of an HDF5 file twice, since it is read before it is sent; `stop` is
    called between requests. Raises Incomplete for a store that is not finished, or after lost connections, Damaged for
    a store that its seal does not fit, Mismatch if anything else lies there, or another guide, Locked while another
    push writes the same folder, NoSpace, InvalidInput for an address that cannot be written, and Interrupted.
    """
    path = as_path("push", "store", store)
    require_kind("push", "destination", destination, str, expected="an address, as text")
    require_integer("push", "jobs", jobs, low=1, high=256)
    require_kind("push", "data_licence", data_licence, str, expected="text")
    require_flags("push", dry_run=dry_run, take_over=take_over)
    require_callable("push", report=report, stop=stop)
    address = parse_address(destination)
    name = address.name or path.absolute().name
    _check_target(address, path, name)
    remote = open_place(address, take_over=take_over)
    assert isinstance(remote, Hub | WritableRemote), "any other is refused by its scheme"
    tally = Tally(0, report, stop)
    one = _Push(path, name, remote, address, tally, data_licence)
    return one.file(dry_run=dry_run) if names_hdf5(name) else one.folder(jobs=jobs, dry_run=dry_run)


@dataclass(frozen=True)
class _Push:
    """The push of the store at `path` as `name`."""

    path: Path
    name: str
    remote: Hub | WritableRemote
    address: Address
    tally: Tally
    data_licence: str

    def folder(self, *, jobs: int, dry_run: bool) -> Pushed:
        """Publishes a Zarr folder, file by file."""
        inventory = Inventory(self.path)
        beside = files_beside(self.path, self.name, data_licence=self.data_licence)
        self.tally.total = inventory.nbytes
        publication: HubPublication | ObjectPublication
        if isinstance(self.remote, Hub):
            publication = HubPublication(inventory, self.name, self.remote, self.tally)
        else:
            publication = ObjectPublication(inventory, self.name, self.remote, self.tally)
        changed = differing(self.remote, beside, self.tally)
        if not isinstance(self.remote, Hub) and len(publication.missing) == len(inventory.sizes):
            refuse_other_texts(self.remote, changed, self.tally)
        if not dry_run:
            publication.run(changed, jobs=jobs)
        return self._pushed(inventory.seal, inventory.sizes, publication.missing, beside, changed, dry_run=dry_run)

    def file(self, *, dry_run: bool) -> Pushed:
        """Publishes an HDF5 file, which is one object; its bytes count twice: they are read, and sent."""
        found = verify(self.path, full=True, report=self.tally.counting(2), stop=self.tally.check)
        if found.damage or found.seal is None:
            count = f"{len(found.damage)} damaged places"
            raise damaged(self.path, f"{self.path} is damaged and is not sent", "no damage", count)
        require_place(self.remote, self.name, self.tally)
        data, name, remote, tally = read_file(self.path).data, self.name, self.remote, self.tally
        beside = files_beside(self.path, name, data_licence=self.data_licence)
        tally.total = tally.done + len(data)
        there = attempt(tally, lambda: remote.names(name), name).get(name)
        same = there is None or attempt(tally, lambda: remote.has_same(name, there, data), name)
        changed = differing(remote, beside, tally)
        if there is None and not isinstance(remote, Hub):
            refuse_other_texts(remote, changed, tally)
        if same and not dry_run:
            if isinstance(remote, Hub):
                file = [(name, str(self.path))] if there is None else []
                commit(remote, [*file, *changed.items()], f"{name}, seal {found.seal}", tally)
                tag(remote, found.seal, tally)
            else:
                with remote.publishing(name):
                    if same := there is not None or ensure(remote, name, data, tally):
                        require_place(remote, name, tally)
                        publish_beside(remote, changed, tally)
        if not same:
            raise Mismatch(
                f"another file lies at {self.address.of(name)}",
                expected=f"nothing, or the store with the seal {found.seal}",
                found="other content",
                do=OTHER_PLACE,
            )
        if not dry_run:
            tally.advance(len(data))
        sizes = {name: len(data)}
        return self._pushed(found.seal, sizes, sizes if there is None else {}, beside, changed, dry_run=dry_run)

    def _pushed(
        self,
        seal: str,
        sizes: Mapping[str, int],
        missing: Mapping[str, int],
        beside: Iterable[str],
        changed: Iterable[str],
        *,
        dry_run: bool,
    ) -> Pushed:
        return Pushed(
            address=self.address.of(self.name),
            seal=seal,
            files=len(sizes),
            nbytes=sum(sizes.values()),
            sent_files=len(missing),
            sent_bytes=sum(missing.values()),
            # A commit on a known parent replaces nothing that it does not know.
            conditional=True if isinstance(self.remote, Hub) else self.remote.conditional,
            beside=tuple(beside),
            sent_beside=tuple(changed),
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
    if address.scheme != "file" and (odd := {*name} & {*"?#"}):
        raise InvalidInput(
            f"{path} has a name that cannot stand in an address",
            expected="a name without ? and #",
            found="".join(sorted(odd)),
            do=f"give another at the end of the address, as in {address.of('NAME')}{path.suffix}",
        )
    most = _MOST_BYTES.get(address.scheme)
    if most is not None and path.is_file() and path.stat().st_size > most:
        raise InvalidInput(
            f"{path} is larger than an object that one request to {address.scheme}:// creates",
            expected=f"at most {most} bytes",
            found=f"{path.stat().st_size}",
            do="make a Zarr folder of it with `export`, whose files are small, and push that",
        )
    if address.scheme == "file":
        require_folder(address.folder)
    if address.scheme == "file" and os.path.realpath(address.folder) == os.path.realpath(path.parent):
        raise InvalidInput(
            f"{address.place} is the folder that {path} lies in",
            expected="another one: a place holds one guide, and its card",
            found="the store's own",
            do="give a new folder, which push makes",
        )
    if not names_store(name):
        raise InvalidInput(
            f"{path} has no name of a store",
            expected="NAME.zarr or NAME.h5",
            found=name,
            do="give the name at the end of the address, as in DEST/NAME.zarr",
        )
    if path.exists() and names_hdf5(name) == path.is_dir():
        other = path.with_suffix(Path(name).suffix)
        old, new = quote(str(path)), quote(str(other))
        raise InvalidInput(
            f"{address.of(name)} is no name for {'a Zarr folder' if path.is_dir() else 'an HDF5 file'}",
            expected=".zarr for a Zarr folder, .h5 for an HDF5 file",
            found=name,
            do=f"leave the name out, or push {other}, which `dgkd-cache export {old} {new}` makes",
        )
