"""From any container to any other and back: the seal stays, the bytes come back, and nothing half-made is ever seen."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.disk import FullDisk, watched

from dgkd_stores import (
    Damaged,
    GuideStore,
    GuideStoreWriter,
    Incomplete,
    InvalidInput,
    Locked,
    NoSpace,
    StoreNotFound,
)
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock, writing_folder
from dgkd_stores.format import layout
from dgkd_stores.reading import reader
from dgkd_stores.writing.convert import codecs_for, convert

pytestmark = pytest.mark.usefixtures("small_chunks")

FORMS = [("a.zarr", "none"), ("b.zarr", "zstd"), ("c.zarr", "blosc"), ("d.h5", "none"), ("e.hdf5", "gzip")]


def write(small: Any, path: Path, codec: str = "none") -> str:
    with GuideStoreWriter(path, small.header, small.identity, codec=codec) as writer:
        for slot in writer.missing():
            writer.write(slot, small.logits(slot.view)[slot.start : slot.stop])
        seal = writer.seal()
    assert seal is not None
    return seal


@pytest.fixture
def source(recipe: Any, tmp_path: Path) -> Path:
    write(recipe(), tmp_path / "source.zarr")
    return tmp_path / "source.zarr"


@pytest.mark.parametrize(("encoding", "tests"), [("float32", 11), ("float16", 0), ("uint8", 11)])
@pytest.mark.parametrize("first", FORMS, ids=lambda form: form[0])
def test_every_form_to_every_other_and_back(
    recipe: Any, read_tree: Any, tmp_path: Path, encoding: str, tests: int, first: tuple[str, str]
) -> None:
    small = recipe(encoding=encoding, tests=tests, first_view=2)
    seal = write(small, tmp_path / "source.zarr")
    original = read_tree(tmp_path / "source.zarr")
    one = tmp_path / first[0]
    assert convert(tmp_path / "source.zarr", one, codec=first[1]) == seal
    for number, (name, codec) in enumerate(FORMS):
        other, back = tmp_path / f"{number}-{name}", tmp_path / f"{number}-back.zarr"
        assert convert(one, other, codec=codec) == seal
        assert convert(other, back) == seal
        assert read_tree(back) == original, (first, codec)
    assert not list(tmp_path.glob("*.writing"))


@pytest.mark.parametrize("codec", ["zstd", "blosc"])
def test_a_conversion_gives_the_bytes_of_a_dump(
    recipe: Any, read_tree: Any, source: Path, tmp_path: Path, codec: str
) -> None:
    write(recipe(), tmp_path / "dumped.zarr", codec)
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


def test_the_same_store_again_is_left_as_it_is(source: Path, tmp_path: Path) -> None:
    def report(done: int, total: int) -> None:
        raise AssertionError("something was done")

    for name, codec in FORMS:
        seal = convert(source, tmp_path / name, codec=codec)
        before = (tmp_path / name).stat().st_mtime_ns
        assert convert(source, tmp_path / name, codec=codec, report=report) == seal
        assert (tmp_path / name).stat().st_mtime_ns == before


def unfinished(recipe: Any, path: Path) -> None:
    recipe().write(path, chunks=3)


def another(recipe: Any, path: Path) -> None:
    recipe(first_view=7).write(path)


def lossy(recipe: Any, path: Path) -> None:
    write(recipe(), path)
    (path / "logits" / "c.0.0.0").unlink()


IN_THE_WAY: dict[str, Callable[[Any, Path], object]] = {
    "file": lambda recipe, path: path.write_text("mine"),
    "folder": lambda recipe, path: path.mkdir(),
    "full-folder": lambda recipe, path: (path.mkdir(), (path / "mine").write_text("")),
    "link": lambda recipe, path: path.symlink_to("nowhere"),
    "pipe": lambda recipe, path: os.mkfifo(path),
    "unfinished": unfinished,
    "another": another,
    "damaged": lossy,
    "codec": lambda recipe, path: write(recipe(), path, "zstd"),
}


@pytest.mark.parametrize("what", IN_THE_WAY)
@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_whatever_else_is_there_is_never_replaced(
    recipe: Any, read_tree: Any, source: Path, tmp_path: Path, what: str, name: str
) -> None:
    (tmp_path / "place").mkdir()
    target = tmp_path / "place" / name
    IN_THE_WAY[what](recipe, target)
    before = {name: target.parent.joinpath(name).lstat() for name in os.listdir(target.parent)}
    with pytest.raises(InvalidInput, match="is there already and is left as it is: .* give another name") as caught:
        convert(source, target)
    assert caught.value.exit_code == 2
    assert {name: target.parent.joinpath(name).lstat().st_ino for name in os.listdir(target.parent)} == {
        name: status.st_ino for name, status in before.items()
    }


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
@pytest.mark.parametrize("linked", [True, False])
def test_what_comes_in_the_way_at_the_last_moment(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, linked: bool
) -> None:
    target = tmp_path / name
    really = reader.GuideStore.open

    def opened(path: Path, **how: Any) -> GuideStore:
        if ".writing" in str(path):
            target.write_text("mine")
        return really(path, **how)

    def no_links(*args: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(GuideStore, "open", opened)
    if not linked:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(InvalidInput, match="is there already"):
        convert(source, target)
    assert target.read_text() == "mine" and not writing_folder(target).exists()


def test_a_file_system_without_hard_links(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*args: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", no_links)
    convert(source, tmp_path / "a.h5")
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "source.zarr"]


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
    unfinished(recipe, tmp_path / "a.zarr")
    with pytest.raises(Incomplete):
        convert(tmp_path / "a.zarr", tmp_path / "a.h5")
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_damaged_source(recipe: Any, tmp_path: Path, codec: str) -> None:
    write(recipe(), tmp_path / "a.zarr", codec)
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


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_two_at_once(source: Path, tmp_path: Path, name: str) -> None:
    with ViewLock(tmp_path / name, ALL_VIEWS, guide=""):
        with pytest.raises(Locked, match=f"all views of .*{name} are being written: .*wait for it"):
            convert(source, tmp_path / name)
    with ViewLock(tmp_path / name, range(9, 12), guide="ta1"), pytest.raises(Locked, match="views 9 to 11"):
        convert(source, tmp_path / name)
    convert(source, tmp_path / name)


@pytest.mark.parametrize(("name", "there"), [("a.zarr", "file"), ("a.zarr", "folder"), ("a.h5", "folder")])
def test_what_appears_in_the_last_moment_is_not_replaced(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, there: str
) -> None:
    """Between the look and the rename; a file is renamed where there are no second names."""
    target = tmp_path / name

    def appears(old: Any, new: Any) -> None:
        if new == target and there == "folder":
            target.mkdir()
            (target / "theirs").touch()
        elif new == target:
            target.write_bytes(b"theirs")
        really(old, new)

    def refused(old: Any, new: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    really = os.rename
    monkeypatch.setattr(os, "rename", appears)
    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(InvalidInput, match="is there already and is left as it is"):
        convert(source, target)
    assert target.read_bytes() == b"theirs" if there == "file" else os.listdir(target) == ["theirs"]
    assert sorted(os.listdir(tmp_path)) == sorted([name, "source.zarr"])


KILLED = """
import os, sys
from dgkd_stores import GuideStore, convert
really, opened = GuideStore.open, []
def kill_at_the_second(path, **how):
    opened.append(path)
    if len(opened) == 2:  # the source, then what was written of it
        os.kill(os.getpid(), 9)
    return really(path, **how)
GuideStore.open = kill_at_the_second
convert(sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_what_a_killed_one_leaves_is_swept(source: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    done = subprocess.run([sys.executable, "-c", KILLED, str(source), str(target)], check=False)
    assert done.returncode == -9 and not target.exists() and writing_folder(target).exists()
    convert(source, target)
    assert sorted(os.listdir(tmp_path)) == [name, "source.zarr"]


@pytest.mark.parametrize(("name", "codec"), [("a.zarr", "blosc"), ("a.h5", "none"), ("a.h5", "gzip")])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "mkdir", "rename"])
def test_a_full_disk_at_every_call(recipe: Any, tmp_path: Path, name: str, codec: str, call: str) -> None:
    """NoSpace whatever call meets it, nothing left behind, and the store once there is room."""
    seal = write(recipe(views=1, samples=20, encoding="uint8"), tmp_path / "source.zarr")
    for point in range(1, 1000):
        folder = tmp_path / str(point)
        folder.mkdir()
        disk = FullDisk(point, names=(call,), code=errno.ENOSPC)
        with watched(disk):
            try:
                assert convert(tmp_path / "source.zarr", folder / "deep" / name, codec=codec) == seal
            except NoSpace as error:
                assert error.exit_code == 14 and disk.met
        if not disk.met:
            break
        left = [str(path.relative_to(folder)) for path in folder.rglob("*")]
        assert left in ([], ["deep"]) or (call == "fsync" and left[:2] == ["deep", f"deep/{name}"]), (point, left)
        assert convert(tmp_path / "source.zarr", folder / "deep" / name, codec=codec) == seal
        assert os.listdir(folder / "deep") == [name]
    assert point > 1
