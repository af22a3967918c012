"""From any container to any other and back: the seal stays, the bytes come back, and nothing half-made is ever seen."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.disk import FullDisk, watched

from dgkd_stores import (
    Damaged,
    GuideStore,
    Incomplete,
    InvalidInput,
    NoSpace,
    StoreNotFound,
    verify,
)
from dgkd_stores.format import layout
from dgkd_stores.writing.convert import convert
from dgkd_stores.writing.whole import Converted, codecs_for

pytestmark = pytest.mark.usefixtures("small_chunks")

FORMS = [("a.zarr", "none"), ("b.zarr", "zstd"), ("c.zarr", "blosc"), ("d.h5", "none"), ("e.hdf5", "gzip")]


@pytest.mark.parametrize(
    ("encoding", "tests"), [("float32", 11), ("float16", 0), ("uint8", 11), ("factored", 11), ("topk", 11)]
)
@pytest.mark.parametrize("first", FORMS, ids=lambda form: form[0])
def test_every_form_to_every_other_and_back(
    recipe: Any, read_tree: Any, tmp_path: Path, encoding: str, tests: int, first: tuple[str, str]
) -> None:
    small = recipe(encoding=encoding, tests=tests, first_view=2)
    seal = small.write(tmp_path / "source.zarr")
    original = read_tree(tmp_path / "source.zarr")
    one = tmp_path / first[0]
    assert convert(tmp_path / "source.zarr", one, codec=first[1]).seal == seal
    for number, (name, codec) in enumerate(FORMS):
        other, back = tmp_path / f"{number}-{name}", tmp_path / f"{number}-back.zarr"
        assert convert(one, other, codec=codec).seal == seal
        assert convert(other, back).seal == seal
        assert read_tree(back) == original, (first, codec)
    assert not list(tmp_path.glob("*.writing"))


@pytest.mark.parametrize("codec", ["zstd", "blosc"])
def test_a_conversion_gives_the_bytes_of_a_dump(
    recipe: Any, read_tree: Any, source: Path, tmp_path: Path, codec: str
) -> None:
    recipe().write(tmp_path / "dumped.zarr", codec=codec)
    convert(source, tmp_path / "converted.zarr", codec=codec)
    assert read_tree(tmp_path / "converted.zarr") == read_tree(tmp_path / "dumped.zarr")


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_the_same_file_at_another_time(source: Path, tmp_path: Path, codec: str) -> None:
    convert(source, tmp_path / "first.h5", codec=codec)
    time.sleep(1.1)
    shutil.copytree(source, tmp_path / "copy.zarr")
    convert(tmp_path / "copy.zarr", tmp_path / "second.h5", codec=codec)
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_chunks_of_another_size(
    recipe: Any, read_tree: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A source whose chunks are 48 rows, or a whole view, becomes a target with chunks of 16."""
    original = read_tree(source)
    for target_bytes in (2000, 10**6):
        with monkeypatch.context() as patch:
            patch.setattr(layout, "TARGET_CHUNK_BYTES", target_bytes)
            other = tmp_path / f"{target_bytes}-{name}"
            convert(source, other)
        with GuideStore.open(other) as store:
            assert store.container.layout.chunk_rows == min(50, target_bytes // 28 // 16 * 16)
        convert(other, tmp_path / f"{target_bytes}-back.zarr")
        assert read_tree(tmp_path / f"{target_bytes}-back.zarr") == original


def test_what_h5py_sees(source: Path, recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    convert(source, tmp_path / "a.h5", codec="gzip")
    with h5py.File(tmp_path / "a.h5") as file, GuideStore.open(source) as store:
        assert len(file) == 12 and not file.attrs
        for view in range(3):
            assert (file["logits"][view] == small.logits(view)).all()
        assert file["logits"].chunks == (1, 16, 7) and np.isnan(file["logits"].fillvalue)
        assert (file["label"][:] == small.identity.label_N).all()
        assert bytes(file["dgkd"][:]) == small.header.canonical
        assert bytes(file["dgkd_seal"][:]).hex() == store.seal


def test_memory_is_that_of_a_chunk(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    really = GuideStore.gather_stored

    def gather(store: GuideStore, views_B: Any, samples_B: Any) -> Any:
        rows = really(store, views_B, samples_B)
        largest.append(sum(array.nbytes for array in rows.values()))
        return rows

    monkeypatch.setattr(GuideStore, "gather_stored", gather)
    convert(source, tmp_path / "a.h5")
    assert max(largest) == 16 * 28 and sum(largest) == 2 * 3 * 50 * 28


def test_progress_counts_every_row_twice(source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    convert(source, tmp_path / "a.h5", report=lambda done, total: told.append((done, total)))
    assert told[0] == (16 * 28, 2 * 3 * 50 * 28) and told[-1] == (2 * 3 * 50 * 28, 2 * 3 * 50 * 28)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_within_the_source(source: Path, read_tree: Any) -> None:
    before = read_tree(source)
    with pytest.raises(InvalidInput, match="lies within the store that it is made from"):
        convert(source, source / "a.h5")
    assert read_tree(source) == before


def test_no_source(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound):
        convert(tmp_path / "nothing.zarr", tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


def test_an_unfinished_source(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr", chunks=3)
    with pytest.raises(Incomplete):
        convert(tmp_path / "a.zarr", tmp_path / "a.h5")
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_damaged_source(recipe: Any, tmp_path: Path, codec: str) -> None:
    recipe().write(tmp_path / "a.zarr", codec=codec)
    chunk = tmp_path / "a.zarr" / "logits" / "c.2.3.0"
    data = chunk.read_bytes()
    chunk.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    with pytest.raises(Damaged):
        convert(tmp_path / "a.zarr", tmp_path / "a.h5")
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize(
    ("name", "codec", "known"),
    [("a.h5", "zstd", "none, gzip"), ("a.HDF5", "blosc", "none, gzip"), ("a.zarr", "gzip", "none, blosc, zstd")],
)
def test_a_codec_that_the_container_does_not_have(
    source: Path, tmp_path: Path, name: str, codec: str, known: str
) -> None:
    assert ", ".join(codecs_for(tmp_path / name)) == known
    with pytest.raises(InvalidInput, match=f"expected one of {known}, found {codec}"):
        convert(source, tmp_path / name, codec=codec)
    assert os.listdir(tmp_path) == ["source.zarr"]


def test_a_write_that_went_wrong_is_noticed(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bit that flips on its way to the disk."""
    really = os.write

    def wrote(handle: int, data: bytes | memoryview) -> int:
        if len(data) == 448:
            data = bytes(data[:100]) + bytes([data[100] ^ 4]) + bytes(data[101:])
        return really(handle, data)

    for name in ("a.h5", "a.zarr"):
        with monkeypatch.context() as patch, pytest.raises(Damaged, match="samples 0 to 7: damaged"):
            patch.setattr(os, "write", wrote)
            convert(source, tmp_path / name)
        assert os.listdir(tmp_path) == ["source.zarr"]


@pytest.mark.parametrize(("name", "codec"), [("a.zarr", "blosc"), ("a.h5", "none"), ("a.h5", "gzip")])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "mkdir", "rename"])
def test_a_full_disk_at_every_call(recipe: Any, tmp_path: Path, name: str, codec: str, call: str) -> None:
    """NoSpace whatever call meets it, nothing left behind, and the store once there is room."""
    seal = recipe(views=1, samples=20, encoding="uint8").write(tmp_path / "source.zarr")
    for point in range(1, 1000):
        folder = tmp_path / str(point)
        folder.mkdir()
        disk = FullDisk(point, names=(call,), code=errno.ENOSPC)
        with watched(disk):
            try:
                assert convert(tmp_path / "source.zarr", folder / "deep" / name, codec=codec).seal == seal
            except NoSpace as error:
                assert error.exit_code == 14 and disk.met
        if not disk.met:
            break
        left = [str(path.relative_to(folder)) for path in folder.rglob("*")]
        assert left in ([], ["deep"]) or (call == "fsync" and left[:2] == ["deep", f"deep/{name}"]), (point, left)
        assert convert(tmp_path / "source.zarr", folder / "deep" / name, codec=codec).seal == seal
        assert os.listdir(folder / "deep") == [name]
    assert point > 1


def test_the_same_store_again_is_left_as_it_is(source: Path, tmp_path: Path) -> None:
    def report(done: int, total: int) -> None:
        raise AssertionError("something was done")

    for name, codec in FORMS:
        first = convert(source, tmp_path / name, codec=codec)
        found = verify(tmp_path / name)
        assert first == Converted(
            seal=str(found.seal), kind=found.container, codec=found.codec, nbytes=found.nbytes, written=True
        )
        before = (tmp_path / name).stat().st_mtime_ns
        again = convert(source, tmp_path / name, codec=codec, report=report)
        assert again == dataclasses.replace(first, written=False)
        assert (tmp_path / name).stat().st_mtime_ns == before
