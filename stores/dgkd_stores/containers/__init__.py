"""The containers of a store: a Zarr folder, plain or compressed, or one HDF5 file."""

from __future__ import annotations

from pathlib import Path

from dgkd_stores.containers.container import Container, Place, how_to_mend, no_store
from dgkd_stores.containers.hdf5_file import Hdf5File
from dgkd_stores.containers.zarr_folder import Note, ZarrFolder
from dgkd_stores.disk.files import permitted

__all__ = ["Container", "Hdf5File", "Place", "ZarrFolder", "how_to_mend", "open_container"]


def open_container(path: Path, *, survey: Note | None = None) -> Container:
    """Look over whatever lies at `path`, as its container does; nothing in it is decoded but the header.

    `survey` is told of single damaged files, which raise without it, where a container consists of files;
    `NoPermission` is always raised.
    """
    with permitted(path):
        if path.is_dir():
            return ZarrFolder.inspect(path, survey=survey)
        if path.exists():
            return Hdf5File.inspect(path)
    raise no_store(path, expected="a Zarr folder or an HDF5 file", found="nothing")
