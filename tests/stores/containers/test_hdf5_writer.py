"""HDF5 files that we write, as HDF5's own library reads them."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dgkd_stores import GuideStore, GuideStoreWriter, convert, verify
from dgkd_stores.coding.codecs import RAW, Codec, Deflate
from dgkd_stores.containers.hdf5_writer import ChunkToWrite, write_hdf5
from dgkd_stores.format.layout import StoreLayout


@pytest.mark.parametrize("views", [1, 1024, 1030])
def test_the_library_finds_our_chunks(recipe: Any, tmp_path: Path, views: int) -> None:
    small = recipe(views=views, samples=3, classes=2, encoding="uint8")
    with GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity) as writer:
        for slot in writer.missing():
            writer.write(slot, small.logits(slot.view))
        writer.seal()
    with GuideStore.open(tmp_path / "a.zarr") as store:
        rows = store.gather_stored(np.repeat(np.arange(views), 3), np.tile(np.arange(3), views))
        digests = store.container.digests()
    for codec in ("none", "gzip"):
        convert(tmp_path / "a.zarr", tmp_path / f"{codec}.h5", codec=codec)
        with h5py.File(tmp_path / f"{codec}.h5") as file:
            for name, expected in rows.items():
                assert file[name].id.get_num_chunks() == views
                assert file[name][...].tobytes() == expected.tobytes()
            assert (file["digest"][...] == digests).all()


@pytest.mark.parametrize("codec", ["none", "gzip"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=["full", "interrupt"])
def test_a_write_that_fails_leaves_nothing_open(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, failure: BaseException
) -> None:
    """At every write, those included that HDF5 makes when it closes the file."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    recipe(views=2, samples=20, encoding="uint8").write(tmp_path / "a.zarr")
    really, calls = os.write, [0, 0]
    codec_used: Codec = Deflate() if codec == "gzip" else RAW

    def wrote(handle: int, data: Any) -> int:
        calls[0] += 1
        if calls[0] == calls[1]:
            raise failure
        return really(handle, data)

    with GuideStore.open(tmp_path / "a.zarr") as store:
        held = store.container
        assert held.seal is not None
        layout = StoreLayout(store.header, chunk_rows=20, codec=codec_used)
        rows = {view: store.gather_stored(np.full(20, view), np.arange(20)) for view in store.views}
        after_chunks: list[int] = []

        def chunks() -> Iterator[ChunkToWrite]:
            for view, digest_B32 in enumerate(held.digests()):
                yield layout.digest, (view, 0, 0), digest_B32
            for view, name in itertools.product(rows, layout.rows):
                yield layout.rows[name], (view, 0, 0), rows[view][name]
            after_chunks.append(calls[0])

        monkeypatch.setattr(os, "write", wrote)
        for point in itertools.count(1):
            calls[:] = 0, point
            try:
                write_hdf5(tmp_path / f"{point}.h5", store.header, layout, held.identity(), chunks(), seal=held.seal)
            except type(failure) as caught:
                assert caught is failure
            else:
                break
            assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE | h5py.h5f.OBJ_DATASET) == 0
        assert point > after_chunks[-1] + 10 > 20, "HDF5 writes its metadata when it closes"
    monkeypatch.undo()
    assert verify(tmp_path / f"{point}.h5", full=True).exit_code == 0
