"""HDF5 files that we write, as HDF5's own library reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dgkd_stores import GuideStore, GuideStoreWriter, convert


@pytest.mark.parametrize("codec", ["none", "gzip"])
@pytest.mark.parametrize("views", [1, 1024, 1030])
def test_the_library_finds_our_chunks(recipe: Any, tmp_path: Path, codec: str, views: int) -> None:
    small = recipe(views=views, samples=3, classes=2, encoding="uint8")
    with GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity) as writer:
        for slot in writer.missing():
            writer.write(slot, small.logits(slot.view))
        writer.seal()
    convert(tmp_path / "a.zarr", tmp_path / "a.h5", codec=codec)
    with h5py.File(tmp_path / "a.h5") as file, GuideStore.open(tmp_path / "a.zarr") as store:
        rows = store.gather_stored(np.repeat(np.arange(views), 3), np.tile(np.arange(3), views))
        for name, expected in rows.items():
            assert file[name].id.get_num_chunks() == views
            assert file[name][...].tobytes() == expected.tobytes()
        assert (file["digest"][...] == store.container.digests()).all()
