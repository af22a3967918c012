"""The paths of stores: tells an HDF5 file from a folder, and a path from a name."""

from __future__ import annotations

import os
from pathlib import Path

from dgkd_stores.errors import InvalidInput

__all__ = ["as_store_path", "expand_user", "names_hdf5", "names_store"]

_HDF5_SUFFIXES = (".h5", ".hdf5")


def names_hdf5(path: Path | str) -> bool:
    """Returns True if a store of that name is an HDF5 file, by its suffix in either case; else it is a Zarr folder."""
    return Path(path).suffix.lower() in _HDF5_SUFFIXES


def names_store(path: Path | str) -> bool:
    """Returns True if the suffix, in either case, is a store's."""
    return Path(path).suffix.lower() == ".zarr" or names_hdf5(path)


def expand_user(path: Path | str) -> Path:
    """Expands `~` and `~user` in a path. Raises InvalidInput if there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidInput(
            f"the path {path} cannot be used",
            expected="the home folder of a user whom this machine knows",
            found=f"none for {Path(path).parts[0]}",
            do="write the path in full (HOME tells where ~ is)",
        ) from error


def as_store_path(text: str) -> Path | None:
    """Returns `text` as a path, or None if it can only be the name of a store of a workspace.

    A path has a separator or a store's suffix, whether it exists or not, or is that of a Zarr folder in any state: a
    store called `ta1` in the current folder precedes a name `ta1`.
    """
    path = expand_user(text)
    if os.sep in text or names_store(path):
        return path
    # The store's own checks refuse a link or a pipe there.
    lies_there = any(os.path.lexists(path / name) for name in ("zarr.json", ".zgroup", ".zarray"))
    return path if lies_there else None
