"""Datasets and indices of chunks in an HDF5 file, as HDF5's own library writes them."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dgkd_stores.coding.codecs import RAW
from dgkd_stores.coding.codecs.deflate import Deflate
from dgkd_stores.containers.hdf5_blocks import SIGNATURE, Blocks
from dgkd_stores.containers.hdf5_objects import DATATYPE, DATATYPES, places, stored_array
from dgkd_stores.disk.files import plain_file
from dgkd_stores.format.layout import ArrayLayout

V110 = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("views", [1, 2, 1023, 1024, 1025, 3000])
def test_chunks_as_the_library_indexes_them(tmp_path: Path, views: int, compressed: bool) -> None:
    """A single chunk, a fixed array of one page, of several; some chunks, and a whole page, were never written."""
    array = ArrayLayout(
        name="a",
        dtype="float16",
        shape=(views, 5, 3),
        chunks=(1, 5, 3),
        dimensions=("view", "sample", "class"),
        codec=Deflate() if compressed else RAW,
    )
    kept = [view for view in range(views) if view % 7 != 3 and not 1024 <= view < 2048]
    with h5py.File(tmp_path / "a.h5", "w", **V110) as file:
        filters: dict[str, Any] = {"compression": 1, "shuffle": True} if compressed else {}
        dataset = file.create_dataset("a", shape=array.shape, dtype="<f2", chunks=array.chunks, **filters)
        for view in kept:
            dataset[view] = view / 16
        file.flush()
        chunks = [dataset.id.get_chunk_info(number) for number in range(dataset.id.get_num_chunks())]
        expected = np.zeros((views, 1, 1, 2), dtype=np.int64)
        for chunk in chunks:
            expected[chunk.chunk_offset[0], 0, 0] = chunk.byte_offset, chunk.size
    assert np.flatnonzero(expected[:, 0, 0, 0]).tolist() == kept
    with plain_file(tmp_path / "a.h5") as (handle, size):
        blocks = Blocks(tmp_path / "a.h5", handle, size)
        found = stored_array(blocks, "a", blocks.names()["a"])
        assert (found.dtype, found.shape, found.chunks) == ("float16", array.shape, array.chunks)
        assert found.codec == (Deflate(2) if compressed else RAW)
        assert (places(blocks, found, array) == expected).all()


@pytest.mark.parametrize("name", DATATYPES)
def test_types_as_the_library_writes_them(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        file.create_dataset("a", data=np.zeros(3, name))
    data = (tmp_path / "a.h5").read_bytes()
    assert SIGNATURE == data[: len(SIGNATURE)]
    heads = {known: re.escape(struct.pack("<BH", DATATYPE, len(body))) + b"." for known, body in DATATYPES.items()}
    found = [known for known, body in DATATYPES.items() if re.search(heads[known] + re.escape(body), data, re.S)]
    assert found == [name]
