"""Our HDF5 against HDF5's own: checksums as published, names and chunk indices as the library writes and reads them."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dgkd_stores import Damaged, DgkdError, GuideStore, GuideStoreWriter, UnsafeStore, convert
from dgkd_stores.coding.codecs import RAW
from dgkd_stores.coding.codecs.deflate import Deflate
from dgkd_stores.containers import Hdf5File
from dgkd_stores.containers.hdf5_blocks import Blocks
from dgkd_stores.containers.hdf5_file import BESIDE
from dgkd_stores.containers.hdf5_format import checksum, checksummed
from dgkd_stores.containers.hdf5_objects import places, stored_array
from dgkd_stores.disk.files import plain_file
from dgkd_stores.format.layout import ArrayLayout, StoreLayout

V110 = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8}


def test_checksums_as_published() -> None:
    """lookup3.c, driver5."""
    assert checksum(b"") == 0xDEADBEEF
    assert checksum(b"Four score and seven years ago") == 0x17770551


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
        fill="NaN",
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


@pytest.fixture
def path(recipe: Any, small_chunks: None, tmp_path: Path) -> Path:
    recipe(views=2, samples=20).write(tmp_path / "a.zarr")
    convert(tmp_path / "a.zarr", tmp_path / "a.h5")
    return tmp_path / "a.h5"


def rows_of(path: Path) -> bytes:
    """All rows and all that identifies them."""
    with GuideStore.open(path) as store:
        rows = store.gather(np.repeat(np.arange(2), 20), np.tile(np.arange(20), 2))
        return rows.tobytes() + store.header.canonical + store.label_N.tobytes() + store.probe.tobytes()


def test_a_library_may_change_nothing_that_matters(path: Path) -> None:
    """Opened for writing by the library and closed: other bytes may be, the store is not another one."""
    before = rows_of(path)
    with h5py.File(path, "r+", libver=("v110", "v110")):
        pass
    assert rows_of(path) == before


def test_any_flipped_bit_is_refused_or_changes_nothing(path: Path) -> None:
    data, expected, refused = path.read_bytes(), rows_of(path), 0
    checked = range(0, len(data), 13)
    for at in checked:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        try:
            assert rows_of(path) == expected, at
        except (Damaged, UnsafeStore):
            refused += 1
    # What changes nothing is padding between pieces, and between samples and the end of a last chunk.
    assert refused > 0.8 * len(checked)


def test_metadata_changed_under_valid_checksums(path: Path) -> None:
    """HDF5's own library crashes on some of these."""
    data, expected = path.read_bytes(), rows_of(path)
    blocks = [(0, 44)]
    for signature in (b"OHDR", b"FAHD", b"FADB"):
        starts = [at for at in range(len(data)) if data.startswith(signature, at)]
        blocks += [next((at, end) for end in range(at + 8, len(data)) if fits(data, at, end)) for at in starts]
    assert len(blocks) == 1 + 13 + 2 * 2
    outcomes = []
    for seed in range(600):
        chance = random.Random(seed)
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 2, 4])):
            start, end = chance.choice(blocks)
            at = chance.randrange(start, end)
            width = chance.choice([1, 1, 2, 8])
            number = chance.choice(
                [0, 1, 2**63, 2**64 - 1, len(data), chance.randrange(2**16), chance.choice(blocks)[0]]
            )
            changed[at : min(at + width, end)] = number.to_bytes(8, "little")[: min(width, end - at)]
            changed[start : end + 4] = checksummed(bytes(changed[start:end]))
        path.write_bytes(changed)
        try:
            assert rows_of(path) == expected, seed
            outcomes.append("same")
        except DgkdError as error:
            assert error.exit_code in (12, 15), (seed, error)
            outcomes.append(type(error).__name__)
    assert {"same", "UnsafeStore", "Damaged"} == set(outcomes)


def fits(data: bytes, start: int, end: int) -> bool:
    return int.from_bytes(data[end : end + 4], "little") == checksum(data[start:end])


def test_how_much_is_read_of_a_large_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only metadata, header and seal: no row."""
    count = []
    really = os.pread

    def pread(handle: int, size: int, at: int) -> bytes:
        count.append(size)
        return really(handle, size, at)

    monkeypatch.setattr(os, "pread", pread)
    held = Hdf5File.inspect(path)
    rows = sum(held.places["logits"].reshape(-1, 2)[:, 1].tolist())
    assert rows == 2 * 2 * 16 * 28 and sum(count) < path.stat().st_size - rows + 4000
