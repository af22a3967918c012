"""The paths of stores: what tells an HDF5 file from a folder, and a path from a name."""

from __future__ import annotations

import os
from pathlib import Path

from dgkd_stores.errors import InvalidInput

__all__ = ["as_store_path", "expanded", "names_hdf5", "names_store"]

_HDF5_SUFFIXES = (".h5", ".hdf5")


def names_hdf5(path: Path | str) -> bool:
    """True where a store of that name is one HDF5 file, by its suffix in letters of either case; else a Zarr folder."""
    return Path(path).suffix.lower() in _HDF5_SUFFIXES


def names_store(path: Path | str) -> bool:
    """True where the suffix, in letters of either case, is one that stores have: which then tells their form."""
    return Path(path).suffix.lower() == ".zarr" or names_hdf5(path)


def expanded(path: Path | str) -> Path:
    """The path with `~` and `~user` put in full. Raises InvalidInput where nobody has that home folder."""
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
    """The path that `text` is, or None for what can only be a name, as a workspace gives its stores.

    A path has a separator or a store's suffix, whether anything is there or not, or a Zarr folder lies there, whatever
    its state: a store called `ta1` in the current folder goes before a name `ta1`.
    """
    path = expanded(text)
    if os.sep in text or names_store(path):
        return path
    # A link or a pipe in that place is for the store's own checks to refuse.
    lies_there = any(os.path.lexists(path / name) for name in ("zarr.json", ".zgroup", ".zarray"))
    return path if lies_there else None
