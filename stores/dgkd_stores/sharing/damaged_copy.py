"""Damaged copies of a published store: told from other stores, and taken up for what is right of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np

from dgkd_stores.coding.digests import array_digest, seal_of
from dgkd_stores.containers import ZarrFolder
from dgkd_stores.disk.files import read_file
from dgkd_stores.errors import Damaged, DgkdError
from dgkd_stores.sharing.guard import Guarded
from dgkd_stores.sharing.inventory import ROOT, positions

__all__ = ["lost_its_root", "take_up"]


def lost_its_root(store: Path, guarded: Guarded) -> bool:
    """Returns True if a folder's root is damaged or lost, but its digests are those that the seal covers.

    It has no other files than the published store. A store with a sound root is none, whatever its digests are.
    """
    with contextlib.suppress(DgkdError):
        header, seal = ZarrFolder.read_head(store)
        if seal is None or seal_of(header.canonical, seal.arrays) == seal.digest:
            return False
    held = guarded.held
    if held.seal is None or store.is_symlink() or _others(store, guarded):
        return False
    digest = held.layout.digest
    try:
        raw = np.concatenate([read_file(store / held.name_of(digest, at)) for at in positions(digest)])
    except (OSError, ValueError, DgkdError):
        return False
    return array_digest(raw) == held.seal.arrays[digest.name]


def take_up(copy: Path, folder: Path, guarded: Guarded, wrong: Collection[str]) -> None:
    """Makes a damaged copy the unfinished store `folder`, without its root and the files that are known as `wrong`.

    Raises Damaged, and leaves it as it is, if it has other files than the published one.
    """
    if others := _others(copy, guarded):
        raise Damaged(
            f"{copy} is damaged, and has another form than the published store",
            expected="its files",
            found=others[0],
            do="remove it, and pull again",
        )
    if folder.exists():
        shutil.rmtree(folder)
    os.rename(copy, folder)
    for name in {ROOT, *wrong} & _names(guarded):
        (folder / name).unlink(missing_ok=True)


def _others(store: Path, guarded: Guarded) -> list[str]:
    """Lists the files of a folder that are none of the published store's."""
    files = {str(path.relative_to(store)) for path in store.rglob("*") if path.is_symlink() or not path.is_dir()}
    return sorted(files - _names(guarded))


def _names(guarded: Guarded) -> set[str]:
    held = guarded.held
    chunks = ((array, at) for array in held.layout.arrays.values() for at in positions(array))
    return {*guarded.metadata, *(held.name_of(array, at) for array, at in chunks)}
