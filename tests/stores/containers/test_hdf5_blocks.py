"""Names and blocks of an HDF5 file, as HDF5's own library writes them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dgkd_stores.containers.hdf5_blocks import Blocks, checksum
from dgkd_stores.containers.hdf5_file import BESIDE
from dgkd_stores.disk.files import plain_file
from dgkd_stores.format.layout import StoreLayout

V110 = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8}


@pytest.mark.parametrize("encoding", ["float16", "uint8"])
def test_names_in_any_order(recipe: Any, tmp_path: Path, encoding: str) -> None:
    """The library moves more than eight names from the header of the group to a heap."""
    names = [*StoreLayout(recipe(encoding=encoding).header, chunk_rows=50).arrays, *BESIDE]
    for seed in range(20):
        random.Random(seed).shuffle(names)
        with h5py.File(tmp_path / "a.h5", "w", **V110) as file:
            for name in names:
                file.create_dataset(name, data=np.zeros(3, dtype=np.uint8))
            expected = {name: h5py.h5o.get_info(file[name].id).addr for name in names}
        with plain_file(tmp_path / "a.h5") as (handle, size):
            assert Blocks(tmp_path / "a.h5", handle, size).names() == expected


def test_checksums_as_published() -> None:
    """lookup3.c, driver5."""
    assert checksum(b"") == 0xDEADBEEF
    assert checksum(b"Four score and seven years ago") == 0x17770551
