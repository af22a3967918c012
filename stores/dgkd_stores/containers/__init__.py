"""The containers of a store: a Zarr folder, plain or compressed, or one HDF5 file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dgkd_stores.arguments import as_path
from dgkd_stores.containers.container import Container, Place, how_to_mend, no_store
from dgkd_stores.containers.hdf5_file import Hdf5File
from dgkd_stores.containers.zarr_folder import Note, ZarrFolder
from dgkd_stores.disk.files import permitted
from dgkd_stores.format.header import StoreHeader

__all__ = [
    "Container",
    "HeaderAndSeal",
    "Hdf5File",
    "Place",
    "ZarrFolder",
    "how_to_mend",
    "open_container",
    "read_header",
]


@dataclass(frozen=True, kw_only=True)
class HeaderAndSeal:
    """What a store says of itself."""

    header: StoreHeader
    seal: str | None
    """None for an unfinished store."""


def read_header(path: Path | str) -> HeaderAndSeal:
    """Read the header and the seal of a store of any origin, and no array of it.

    It does not prove that the seal is that of the content, nor that any array is there or whole: `GuideStore.open`
    proves the seal and all but the rows, `verify(full=True)` the rows. It raises what `GuideStore.open` raises for a
    header, a seal or a name in the store that no writer of ours makes, and takes an unfinished store.
    """
    path = as_path("read_header", "path", path)
    with permitted(path):
        header, seal = _container_at(path).read_head(path)
    return HeaderAndSeal(header=header, seal=seal.digest if seal else None)


def open_container(path: Path, *, survey: Note | None = None) -> Container:
    """Look over whatever lies at `path`, as its container does; nothing in it is decoded but the header.

    `survey` is told of single damaged files, which raise without it, where a container consists of files;
    `NoPermission` is always raised.
    """
    with permitted(path):
        found = _container_at(path)
        return ZarrFolder.inspect(path, survey=survey) if found is ZarrFolder else Hdf5File.inspect(path)


def _container_at(path: Path) -> type[Hdf5File | ZarrFolder]:
    if path.is_dir():
        return ZarrFolder
    if path.exists():
        return Hdf5File
    raise no_store(path, expected="a Zarr folder or an HDF5 file", found="nothing")
