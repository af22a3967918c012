"""Indexing: what is read, what is not read again, and what a stopped one leaves."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from dgkd_cache.datasets import decoding, file_index, indexing
from dgkd_cache.datasets.decoders import decoder_version
from dgkd_cache.datasets.file_index import FileFacts, FileIndex
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.indexing import index_files
from dgkd_cache.errors import DataUnreadable, Interrupted

PATHS = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 pictures of several sizes; some with an alpha channel."""
    random = np.random.default_rng(3)
    for row, path in enumerate(PATHS):
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        shape = (4 + row, 5, 4 if row % 5 == 0 else 3)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / "data" / path)
    return tmp_path / "data"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose bytes are read from now on."""
    names, own = list[str](), indexing.read_bytes

    def reading(path: Path) -> bytes:
        names.append(f"{path.parent.name}/{path.name}")
        return own(path)

    monkeypatch.setattr(indexing, "read_bytes", reading)
    return names


def indexed(
    folder: Path, *, rehash: bool = False, threads: int = 1, stop: Callable[[], bool] = lambda: False
) -> FileFacts:
    """Indexed ten seconds later, when no file is new."""
    cache = folder.parent / "cache"
    later = time.time_ns() + 10**10
    return index_files(folder, PATHS, threads=threads, cache=cache, rehash=rehash, stop=stop, clock=lambda: later)


@pytest.mark.parametrize("threads", [1, 3])
def test_digests_sizes_and_traits_are_those_of_the_files(folder: Path, threads: int) -> None:
    facts = indexed(folder, threads=threads)
    for row, path in enumerate(PATHS):
        digest = hashlib.sha256((folder / path).read_bytes()).digest()[:16]
        assert facts.digest_N16[row].tobytes() == digest
        assert facts.shape_N2[row].tolist() == [4 + row, 5]
        assert facts.traits_N[row] == (0 if row % 5 else decoding.Trait.TRANSPARENT.value)
    assert facts.read_N.all() and facts.measured_N.all()


def test_nothing_is_read_a_second_time_but_what_changed(folder: Path, read: list[str]) -> None:
    first = indexed(folder)
    assert sorted(read) == sorted(PATHS)
    read.clear()
    again = indexed(folder)
    assert read == [] and np.array_equal(again.digest_N16, first.digest_N16)
    Image.new("RGB", (2, 3)).save(folder / PATHS[4])
    changed = indexed(folder)
    assert read == [PATHS[4]] and changed.shape_N2[4].tolist() == [3, 2]
    read.clear()
    indexed(folder, rehash=True)
    assert sorted(read) == sorted(PATHS)


def test_two_lists_of_one_folder_are_read_once_each(folder: Path, read: list[str]) -> None:
    later = time.time_ns() + 10**10
    for _ in range(2):
        for paths in (PATHS[:8], PATHS[8:]):
            index_files(folder, paths, threads=1, cache=folder.parent / "cache", clock=lambda: later)
    assert sorted(read) == sorted(PATHS)


def test_new_files_are_read_each_time(folder: Path, read: list[str]) -> None:
    for _ in range(2):
        read.clear()
        index_files(folder, PATHS, threads=1, cache=folder.parent / "cache")
        assert len(read) == 12


def test_what_was_read_before_it_was_stopped_is_not_read_again(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = indexing._read

    def stopping(path: Path) -> object:
        if path == folder / PATHS[7]:
            raise KeyboardInterrupt
        return own(path)

    monkeypatch.setattr(indexing, "_read", stopping)
    with pytest.raises(KeyboardInterrupt):
        indexed(folder)
    monkeypatch.setattr(indexing, "_read", own)
    before = len(read)
    assert indexed(folder).read_N.all()
    # Three files are handed to a thread together, and the sixth began the next three.
    assert before == 7 and sorted(read[before:]) == sorted(PATHS[6:])


def test_it_can_be_asked_to_stop_and_goes_on_from_there(folder: Path, read: list[str]) -> None:
    asked = iter([False] * 4 + [True])
    with pytest.raises(Interrupted, match="reading of the files in .* was stopped: found 5 of 12 read; run the same"):
        indexed(folder, stop=lambda: next(asked))
    before = len(read)
    assert indexed(folder, stop=lambda: False).read_N.all()
    assert sorted(read[before:]) == sorted(PATHS[5:])


def test_who_waits_for_another_one_can_be_asked_to_stop(folder: Path) -> None:
    index = FileIndex(folder, cache=folder.parent / "cache", decoder=decoder_version())
    with index.reading(), pytest.raises(Interrupted, match="stopped while waiting for"):
        indexed(folder, stop=lambda: True)


def test_of_two_at_once_one_reads_and_the_other_waits(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads with a handle each are to flock as two processes."""
    begun, waits, own_read, own_lock = threading.Event(), threading.Event(), indexing._read, file_index.folder_lock

    def reading(path: Path) -> object:
        begun.set()
        assert waits.wait(60)
        return own_read(path)

    def locking(*given: Any, **named: Any) -> Any:
        if begun.is_set():
            waits.set()
        return own_lock(*given, **named)

    monkeypatch.setattr(indexing, "_read", reading)
    monkeypatch.setattr(file_index, "folder_lock", locking)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(indexed, folder)
        assert begun.wait(60)
        second = pool.submit(indexed, folder)
        assert np.array_equal(first.result().digest_N16, second.result().digest_N16)
    assert sorted(read) == sorted(PATHS)


def test_segments_are_written_while_it_works_and_joined_at_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_KEPT_FILES", 5)
    written, own = [], file_index.FileIndex.keep

    def keeping(self: file_index.FileIndex, paths: list[str], facts: FileFacts, rows: np.ndarray) -> None:
        written.append(len(rows))
        own(self, paths, facts, rows)

    monkeypatch.setattr(file_index.FileIndex, "keep", keeping)
    indexed(folder)
    assert written == [0, 5, 5, 2, 12]
    assert len(list((folder.parent / "cache").rglob("*.files"))) == 1


def test_another_decoder_reads_headers_alone(folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    indexed(folder)
    read.clear()
    monkeypatch.setattr(PIL, "__version__", "99")
    facts = indexed(folder)
    assert read == [] and facts.measured_N.all() and facts.shape_N2[3].tolist() == [7, 5]
    assert "pillow 99" in decoder_version() and "depth16 1" in decoder_version()


def test_all_bad_files_are_counted_and_good_ones_kept(folder: Path, read: list[str]) -> None:
    for path in PATHS[2:9]:
        (folder / path).write_bytes(b"no image")
    with pytest.raises(DataUnreadable, match="7 of 12 image files in .*not an image.*and 2 more"):
        indexed(folder)
    read.clear()
    with pytest.raises(DataUnreadable, match="7 of 7 image files"):
        indexed(folder)
    assert sorted(read) == sorted(PATHS[2:9])


def test_long_work_tells_how_far_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexing, "_LEAST_SAID", 4)
    caplog.set_level("INFO", "dgkd_cache.datasets")
    indexed(folder)
    told = f"{folder}: 4 of 12 files indexed (33 %)", f"{folder}: 8 of 12 files indexed (66 %)"
    assert tuple(caplog.messages) == told


@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
def test_a_split_is_the_same_the_second_time(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, hold_bytes: int
) -> None:
    monkeypatch.setenv("DGKD_CACHE_DIR", str(folder.parent / "cache"))
    monkeypatch.setattr(file_index, "RACY_NS", -(10**12))  # files that were just written count as old
    loaded = []
    for rehash in (False, False, True):
        read.clear()
        images = FolderImages(folder, name="it", split="train", hold_bytes=hold_bytes, rehash=rehash)
        loaded.append((images.digest, [images.image(sample).tolist() for sample in range(12)]))
        assert len(read) == (0 if len(loaded) == 2 else 12)
    assert loaded[0] == loaded[1] == loaded[2]
