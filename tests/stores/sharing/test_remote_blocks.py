"""An HDF5 file that is inspected where it was published, by a few small requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores.support.small_store import SmallStore

from dgkd_stores import UnsafeStore, convert
from dgkd_stores.containers.hdf5_file import Hdf5File
from dgkd_stores.sharing.folder import Folder
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Changed
from dgkd_stores.sharing.remote_blocks import PAGE_BYTES, RemoteBlocks, read_part


def test_as_on_disk(recipe: type[SmallStore], tmp_path: Path, tally: Tally) -> None:
    recipe(samples=30_000, views=2).write(tmp_path / "a.zarr")
    convert(tmp_path / "a.zarr", tmp_path / "a.h5")
    folder = Folder(tmp_path)
    found = folder.read("a.h5").found
    blocks = RemoteBlocks(folder, "a.h5", found, "place/a.h5", tally)
    ours, theirs = Hdf5File.of_blocks(blocks), Hdf5File.inspect(tmp_path / "a.h5")
    assert (ours.header, ours.seal, ours.nbytes) == (theirs.header, theirs.seal, theirs.nbytes)
    assert {name: at.tolist() for name, at in ours.places.items()} == {
        n: at.tolist() for n, at in theirs.places.items()
    }
    assert len(blocks._pages) * PAGE_BYTES < found.size / 2
    with pytest.raises(UnsafeStore, match="place/a.h5"):
        blocks.read(found.size - 1, 2)


def test_parts(tmp_path: Path, tally: Tally) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    folder = Folder(tmp_path)
    found = folder.read("x").found
    assert read_part(folder, "x", found, 2, 5, tally) == b"234"
    (tmp_path / "x").write_bytes(b"012345678")
    with pytest.raises(Changed):
        read_part(folder, "x", found, 2, 5, tally)
