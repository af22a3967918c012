"""Rows come out in the order asked for, from the files that hold them and no others, and never unproven."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgkd_stores import DamagedStore, GuideStore, Incomplete, InvalidInput, StoreNotFound, reader
from dgkd_stores.chunks import MAX_MAPPINGS
from dgkd_stores.containers import Container
from dgkd_stores.layout import ArrayLayout

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture
def made(recipe: Any, tmp_path: Path) -> tuple[Any, Path]:
    small = recipe(first_view=2)
    small.write(tmp_path / "a.zarr")
    return small, tmp_path / "a.zarr"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the chunk files opened, in order."""
    names: list[str] = []
    really = Container.chunk

    def chunk(self: Container, array: ArrayLayout, position: tuple[int, ...]) -> Any:
        if array.name == "logits":
            names.append(array.key(*position))
        return really(self, array, position)

    monkeypatch.setattr(Container, "chunk", chunk)
    return names


def test_any_rows_in_any_order(made: tuple[Any, Path]) -> None:
    small, path = made
    everything = np.stack([small.logits(view) for view in range(2, 5)])
    with GuideStore.open(path) as store:

        @settings(max_examples=100, deadline=None)
        @given(st.lists(st.tuples(st.integers(2, 4), st.integers(0, 49)), max_size=200))
        def check(pairs: list[tuple[int, int]]) -> None:
            views_B = np.array([view for view, _ in pairs], dtype=np.int64)
            samples_B = np.array([sample for _, sample in pairs], dtype=np.int64)
            rows = store.gather(views_B, samples_B)
            assert rows.shape == (len(pairs), 7) and rows.dtype == np.float32 and rows.flags.writeable
            assert (rows == everything[views_B - 2, samples_B]).all()

        check()


def test_only_the_chunks_that_hold_the_rows_are_opened(made: tuple[Any, Path], opened: list[str]) -> None:
    _, path = made
    with GuideStore.open(path) as store:
        assert opened == []
        store.gather([3, 3, 3], [17, 18, 31])
        store.gather([3, 4, 2, 3], [20, 49, 0, 16])
        assert opened == ["c.1.1.0", "c.0.0.0", "c.2.3.0"]
    with GuideStore.open(path) as store:
        store.gather([3], [17])
        assert opened[3:] == ["c.1.1.0"]


def test_a_block_is_hashed_once(made: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    really = reader.block_digest
    monkeypatch.setattr(reader, "block_digest", lambda arrays: (hashed.append(len(arrays[0])), really(arrays))[1])
    with GuideStore.open(made[1]) as store:
        store.gather([2, 2, 2, 3], [0, 7, 8, 0])
        store.gather([2, 3, 2], [1, 1, 48])
        assert hashed == [8, 8, 8, 2]


@pytest.mark.parametrize(
    ("views", "samples"), [([1], [0]), ([5], [0]), ([2], [50]), ([2], [-1]), ([2, 3], [0]), ([[2]], [[0]])]
)
def test_rows_that_are_not_there(made: tuple[Any, Path], views: Any, samples: Any) -> None:
    with GuideStore.open(made[1]) as store, pytest.raises(InvalidInput, match="expected .*, found") as caught:
        store.gather(views, samples)
    assert caught.value.exit_code == 2


def test_a_flipped_bit_in_a_used_row(made: tuple[Any, Path]) -> None:
    _, path = made
    file = path / "logits" / "c.1.1.0"
    data = bytearray(file.read_bytes())
    data[9 * 28 + 3] ^= 1  # Sample 25 of view 3, in the block of samples 24 to 31.
    file.write_bytes(data)
    with GuideStore.open(path) as store:
        store.gather([3, 2], [16, 25])
        for sample in (25, 24, 31):
            with pytest.raises(
                DamagedStore, match="view 3, samples 24 to 31: damaged: expected SHA-256 .*, found"
            ) as caught:
                store.gather([3], [sample])
            assert caught.value.exit_code == 12 and "dgkd-cache dump --model ta1" in caught.value.do


def test_swapped_chunks(made: tuple[Any, Path]) -> None:
    _, path = made
    first, second = path / "logits" / "c.0.0.0", path / "logits" / "c.1.0.0"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    with GuideStore.open(path) as store:
        for view in (2, 3):
            with pytest.raises(DamagedStore, match=f"view {view}, samples 0 to 7"):
                store.gather([view], [0])


@pytest.mark.parametrize("array", ["logits", "digest", "label", "probe", "test_logits"])
@pytest.mark.parametrize("change", ["missing", "short", "long", "empty"])
def test_lost_files(made: tuple[Any, Path], array: str, change: str) -> None:
    _, path = made
    file = sorted((path / array).glob("c.*"))[-1]
    data = file.read_bytes()
    file.unlink()
    if change != "missing":
        file.write_bytes({"short": data[:-1], "long": data + b"\0", "empty": b""}[change])
    with pytest.raises(
        DamagedStore, match=f"expected .*{len(data)} bytes.*, found (no such file|another size)"
    ) as caught:
        GuideStore.open(path)
    assert caught.value.exit_code == 12


def test_a_chunk_that_goes_while_the_store_is_open(made: tuple[Any, Path]) -> None:
    _, path = made
    with GuideStore.open(path) as store:
        (path / "logits" / "c.0.0.0").unlink()
        os.truncate(path / "logits" / "c.0.1.0", 7)
        os.truncate(path / "logits" / "c.0.2.0", 0)
        for sample, found in ((0, "no such file"), (16, "7 bytes"), (32, "0 bytes")):
            with pytest.raises(DamagedStore, match=f"damaged: expected a chunk of 448 bytes, found {found}"):
                store.gather([2], [sample])


@pytest.mark.parametrize("array", ["label", "sample_digest", "view_digest", "probe", "test_logits", "digest"])
def test_the_seal_covers_what_digests_do_not(made: tuple[Any, Path], array: str) -> None:
    _, path = made
    file = sorted((path / array).glob("c.*"))[0]
    data = bytearray(file.read_bytes())
    data[0] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedStore, match=f"not what was sealed: damaged: expected {array} of SHA-256 .*, found"):
        GuideStore.open(path)


def test_an_unfinished_store(recipe: Any, tmp_path: Path) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(path, chunks=6)
    with pytest.raises(Incomplete, match="3 views, found no seal, and rows in 2 views; .*dump --model ta1") as caught:
        GuideStore.open(path)
    assert caught.value.exit_code == 3
    with GuideStore.open(path, allow_incomplete=True) as store:
        done = store.completeness()
        assert (done.views, done.views_done, done.blocks, done.blocks_missing) == (3, 1, 21, 10)
        assert not done.complete and store.seal is None
        assert (store.gather([0, 1], [49, 31]) == np.stack([small.logits(0)[49], small.logits(1)[31]])).all()
        with pytest.raises(Incomplete, match="found no rows for view 1, samples 32 to 39"):
            store.gather([0, 1], [0, 32])
    small.write(path)
    with GuideStore.open(path) as store:
        assert store.completeness().complete
        assert store.nbytes == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_rows_that_are_no_numbers_under_a_valid_digest(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dgkd_stores.encodings._Float.encode", lambda self, logits_BC: {"logits": logits_BC})
        small = recipe()
        logits = small.logits
        small.logits = lambda view: np.where(np.arange(50)[:, None] == 20, np.nan, logits(view)).astype(np.float32)
        small.write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        with pytest.raises(DamagedStore, match="samples 16 to 23: damaged: expected finite numbers"):
            store.gather([0], [16])


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound, match="expected a Zarr folder or an HDF5 file, found nothing") as caught:
        GuideStore.open(tmp_path / "nothing")
    assert caught.value.exit_code == 10


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts files in /proc")
def test_never_more_than_256_files(recipe: Any, tmp_path: Path, opened: list[str]) -> None:
    small = recipe(views=80)
    for name in ("a", "b"):
        small.write(tmp_path / f"{name}.zarr")
    before = open_files()
    rng = np.random.default_rng(0)
    with GuideStore.open(tmp_path / "a.zarr") as first, GuideStore.open(tmp_path / "b.zarr") as second:
        for _ in range(5):
            for store in (first, second):
                views_B, samples_B = rng.integers(0, 80, 640), rng.integers(0, 50, 640)
                rows = store.gather(views_B, samples_B)
                expected = np.stack([small.logits(view)[i] for view, i in zip(views_B, samples_B, strict=True)])
                assert (rows == expected).all()
                assert open_files() - before <= 256 == MAX_MAPPINGS
        assert len(set(opened)) > 256 and open_files() - before > 200
        first.close()
        assert first.gather([0], [0]).shape == (1, 7)
    assert open_files() == before


def test_threads(made: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    small, path = made
    monkeypatch.setattr(reader._MAPPED, "limit", 2)
    everything, wrong = np.stack([small.logits(view) for view in range(2, 5)]), []

    def work(seed: int, store: GuideStore) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(100):
            views_B, samples_B = rng.integers(2, 5, 32), rng.integers(0, 50, 32)
            if (store.gather(views_B, samples_B) != everything[views_B - 2, samples_B]).any():
                wrong.append(seed)

    with GuideStore.open(path) as store:
        threads = [threading.Thread(target=work, args=(seed, store)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_copy_in_another_process_maps_its_own_files(made: tuple[Any, Path], recipe: Any, tmp_path: Path) -> None:
    small, path = made
    with GuideStore.open(path) as store:
        store.gather([2], [0])
        copy = pickle.loads(pickle.dumps(store))
        assert copy._number != store._number and copy.seal == store.seal
        assert (copy.gather([4], [3]) == small.logits(4)[3]).all()
    recipe().write(tmp_path / "b.zarr", chunks=1)
    assert pickle.loads(pickle.dumps(GuideStore.open(tmp_path / "b.zarr", allow_incomplete=True))).seal is None
