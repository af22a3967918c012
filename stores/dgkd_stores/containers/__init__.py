"""The containers of a store: a Zarr folder, plain or compressed, or one HDF5 file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dgkd_stores.arguments import as_path
from dgkd_stores.containers.container import Container, damaged, no_store, unfinished
from dgkd_stores.containers.hdf5_file import Hdf5File
from dgkd_stores.containers.zarr_folder import Note, ZarrFolder
from dgkd_stores.disk.refusals import explain_permission_errors
from dgkd_stores.format.header import StoreHeader

__all__ = ["Container", "HeaderAndSeal", "ZarrFolder", "damaged", "open_container", "read_header", "unfinished"]


@dataclass(frozen=True, kw_only=True)
class HeaderAndSeal:
    """The header and the seal of a store."""

    header: StoreHeader
    """The header of the store."""
    seal: str | None
    """The seal, SHA-256 in hex; None for an unfinished store."""


def read_header(path: Path | str) -> HeaderAndSeal:
    """Reads the header and the seal of a store of any origin, but no array.

    It does not check that the seal matches the content, nor any array: `GuideStore.open` checks the seal and everything
    but the rows, `verify(full=True)` the rows. It raises as `GuideStore.open` for an invalid header, seal or name in
    the store, and accepts an unfinished store.
    """
    path = as_path("read_header", "path", path)
    with explain_permission_errors(path):
        header, seal = _container_at(path).read_head(path)
    return HeaderAndSeal(header=header, seal=seal.digest if seal else None)


def open_container(path: Path, *, note: Note | None = None) -> Container:
    """Inspects the store at `path` with its container; decodes only the header.

    `note` gets errors of single files of a folder, which are raised without it; NoPermission is always raised.
    """
    with explain_permission_errors(path):
        found = _container_at(path)
        return ZarrFolder.inspect(path, note=note) if found is ZarrFolder else Hdf5File.inspect(path)


def _container_at(path: Path) -> type[Hdf5File | ZarrFolder]:
    if path.is_dir():
        return ZarrFolder
    if path.exists():
        return Hdf5File
    raise no_store(path, expected="a Zarr folder or an HDF5 file", found="nothing")
