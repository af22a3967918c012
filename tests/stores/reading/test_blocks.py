"""The reader for disks that others write to: it gives what it checked, in bounded memory, and no signal ends it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import tracemalloc
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import Damaged, GuideStore, Mismatch, UnsafeStore, convert
from dgkd_stores.reading import blocks
from dgkd_stores.reading.ring import Ring

pytestmark = pytest.mark.usefixtures("small_chunks")

BLOCK = 256
"""Bytes that a block of 8 rows of 7 float32 takes in the ring."""


@pytest.fixture
def made(recipe: Any, tmp_path: Path) -> tuple[Any, Path]:
    small = recipe(first_view=2)
    small.write(tmp_path / "a.zarr")
    return small, tmp_path / "a.zarr"


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    """Room for three of the 21 blocks of a store."""
    ring = Ring(3 * BLOCK)
    monkeypatch.setattr(blocks, "RING", ring)
    return ring


@pytest.mark.parametrize("encoding", ["float16", "uint8"])
def test_any_rows_in_less_memory_than_a_batch_takes(recipe: Any, tmp_path: Path, ring: Ring, encoding: str) -> None:
    for name, views in (("a", 4), ("b", 3)):
        recipe(views=views, encoding=encoding).write(tmp_path / name)
    rng = np.random.default_rng(0)
    with (
        GuideStore.open(tmp_path / "a", reader="pread") as first,
        GuideStore.open(tmp_path / "b", reader="pread") as second,
        GuideStore.open(tmp_path / "a", reader="mmap") as mapped,
    ):
        for size in (1, 2, 5, 40, 200):
            for store in (first, second, first):
                views_B, samples_B = rng.integers(0, 3, size), rng.integers(0, 50, size)
                assert (store.gather(views_B, samples_B) == mapped.gather(views_B, samples_B)).all()
                assert ring.memory.size <= 3 * BLOCK
    assert ring.memory.size == 0


def test_a_batch_takes_the_memory_of_its_rows(made: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the ring, whatever its size."""
    ring = Ring(2**22)
    monkeypatch.setattr(blocks, "RING", ring)
    with GuideStore.open(made[1], reader="pread") as store:
        ring.reserve(2**22, BLOCK)
        for view in (2, 3):
            tracemalloc.start()
            store.gather(np.full(50, view), np.arange(50))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert ring.memory.size == 2**22 and peak < 2**20


def test_a_block_is_read_once_and_again_once_it_is_forgotten(
    made: tuple[Any, Path], ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    really = blocks.fill

    def fill(handle: int, into: Any, offset: int) -> int:
        read.append(offset // 224)
        return really(handle, into, offset)

    monkeypatch.setattr(blocks, "fill", fill)
    with GuideStore.open(made[1], reader="pread") as store:
        for samples in ([0, 7], [9], [1, 8], [3]):
            store.gather(np.full(len(samples), 2), samples)
        assert read == [0, 1]
        store.gather([3, 4], [0, 0])
        store.gather([2], [15])
        assert read == [0, 1, 0, 0]
        store.gather([2], [0])  # went for the block of view 4
        assert read == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("container", ["zarr", "hdf5"])
def test_a_chunk_that_is_rewritten_after_its_first_use(made: tuple[Any, Path], ring: Ring, container: str) -> None:
    """Rows that were checked stay as they were; what has to be read again is refused."""
    small, path = made
    if container == "hdf5":
        convert(path, path := path.with_suffix(".h5"))
    with GuideStore.open(path, reader="pread") as store:
        place = store.container.place(store.container.layout.rows["logits"], (0, 0, 0))
        assert (store.gather([2], [3])[0] == small.logits(2)[3]).all()
        with open(place.path, "r+b") as file:
            file.seek(place.offset)
            file.write(small.logits(3)[:16].tobytes())
        assert (store.gather([2, 2], [3, 7]) == small.logits(2)[[3, 7]]).all()
        for _ in range(2):
            with pytest.raises(Damaged, match="view 2, samples 8 to 15: damaged: expected SHA-256 .*, found"):
                store.gather([2], [9])
        for view in (3, 4):
            store.gather(np.full(2, view), [0, 49])
        with pytest.raises(Damaged, match="view 2, samples 0 to 7: damaged: expected SHA-256"):
            store.gather([2], [3])


def test_rows_are_right_or_refused_while_another_program_writes(made: tuple[Any, Path], ring: Ring) -> None:
    small, path = made
    right, done, refused = small.logits(2), threading.Event(), 0
    wrong = np.full((16, 7), 5, np.float32).tobytes()

    def write() -> None:
        with open(path / "logits" / "c.0.0.0", "r+b", buffering=0) as file:
            while not done.is_set():
                for content in (wrong, right[:16].tobytes()):
                    file.seek(0)
                    file.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    rng = np.random.default_rng(0)
    try:
        with GuideStore.open(path, reader="pread") as store:
            for _ in range(300):
                samples_B = rng.integers(0, 50, 6)
                try:
                    assert (store.gather(np.full(6, 2), samples_B) == right[samples_B]).all()
                except Damaged:
                    refused += 1
    finally:
        done.set()
        writer.join()
    assert 0 < refused < 300


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_a_file_cut_short_is_named(made: tuple[Any, Path], codec: str) -> None:
    convert(made[1], path := made[1].with_suffix(".h5"), codec=codec)
    with GuideStore.open(path, reader="pread") as store:
        place = store.container.place(store.container.layout.rows["logits"], (1, 2, 0))
        assert place.nbytes is not None
        os.truncate(path, place.offset + place.nbytes - 1)
        expected = "logits/c.1.2.0" if codec == "gzip" else "logits/c.1.2.0: view 3, samples 40 to 47"
        with pytest.raises(Damaged, match=f"{expected}: damaged: expected a chunk of 448 bytes, found a file"):
            store.gather([3], [40])


def test_blocks_that_take_too_much_memory_are_refused(made: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MAX_HELD_BYTES", 255)
    with GuideStore.open(made[1], reader="pread") as store:
        with pytest.raises(UnsafeStore, match="expected at most 255 bytes, .*, found 256; set reader to mmap"):
            store.gather([2], [0])


READ_WHILE_IT_IS_CUT = """
import faulthandler, os, sys
import numpy as np
from dgkd_stores import Damaged, GuideStore
faulthandler.enable()
path, reader = sys.argv[1:]
store = GuideStore.open(path, reader=reader)
store.gather([2], [0])
for file in os.scandir(os.path.join(path, "logits")):
    if file.name.startswith("c."):
        os.truncate(file, 0)
try:
    store.gather([2, 2], [0, 8])
except Damaged as error:
    print(error)
    sys.exit(error.exit_code)
"""


def cut_while_read(path: Path, reader: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", READ_WHILE_IT_IS_CUT, str(path), reader]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_cut_short_while_it_is_read(made: tuple[Any, Path]) -> None:
    done = cut_while_read(made[1], "pread")
    assert done.returncode == 12, done.stderr
    where = "logits/c.0.0.0: view 2, samples 8 to 15: damaged: expected a chunk of 448 bytes, found a file of 0 bytes"
    assert where in done.stdout


def test_cut_short_while_it_is_mapped(made: tuple[Any, Path]) -> None:
    """Mapped chunks end as docs/reliability.md says: a signal, and a report of where it was."""
    done = cut_while_read(made[1], "mmap")
    assert done.returncode == -signal.SIGBUS
    assert "Bus error" in done.stderr and "mapped.py" in done.stderr and "gather" in done.stderr


class TestCopies:
    """Rows that another process gets of a store that it is sent."""

    def test_the_same_store_and_reader(self, made: tuple[Any, Path]) -> None:
        small, path = made
        for reader in ("mmap", "pread"):
            with GuideStore.open(path, reader=reader) as store:
                with get_context("spawn").Pool(1) as pool:
                    rows, seal, why = pool.apply(rows_of, (store,))
                assert (rows == small.logits(3)[:4]).all()
                assert (seal, why) == (store.seal, store.copied_because)
                assert bool(why) == (reader == "pread")

    @pytest.mark.parametrize("change", ["another store", "an unfinished one", "another container"])
    def test_what_lies_there_meanwhile(self, made: tuple[Any, Path], recipe: Any, change: str) -> None:
        _, path = made
        sent = pickle.dumps(GuideStore.open(path))
        path.rename(path.with_name("away"))
        if change == "another container":
            convert(path.with_name("away"), path.with_suffix(".h5"))
            path.with_suffix(".h5").rename(path)
            assert pickle.loads(sent).kind == "hdf5"  # a seal is the same in any
            return
        other = recipe(first_view=2, compute={"device": "cpu", "batch": 16, "torch": "2.8.0"})
        other.write(path, chunks=1 if change == "an unfinished one" else None)
        found = "an unfinished store" if change == "an unfinished one" else "seal [0-9a-f]{64}"
        with pytest.raises(
            Mismatch, match=f"not the store that was sent .*: expected seal .*, found {found};"
        ) as caught:
            pickle.loads(sent)
        assert caught.value.exit_code == 13

    def test_an_unfinished_store_goes_by_its_header(self, recipe: Any, tmp_path: Path) -> None:
        path = tmp_path / "a.zarr"
        recipe().write(path, chunks=1)
        sent = pickle.dumps(GuideStore.open(path, allow_incomplete=True))
        recipe().write(path)  # goes on, and is sealed
        assert pickle.loads(sent).seal is not None
        path.rename(tmp_path / "away")
        recipe(first_view=1).write(path, chunks=1)
        with pytest.raises(Mismatch, match="expected a header of SHA-256"):
            pickle.loads(sent)


def rows_of(store: GuideStore) -> tuple[Any, str | None, str]:
    return store.gather(np.full(4, 3), np.arange(4)), store.seal, store.copied_because
