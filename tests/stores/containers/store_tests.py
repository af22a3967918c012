"""The tests of a store, whatever it lies in: one class, which test_container.py runs for every container."""

from __future__ import annotations

import dataclasses
import functools
import os
import pickle
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from stores.support.small_store import SmallStore

from dgkd_stores import Damaged, GuideStore, IdentityArrays, InvalidInput, verify
from dgkd_stores.containers import Container, ZarrFolder, open_container
from dgkd_stores.containers.container import Place
from dgkd_stores.containers.hdf5_file import Hdf5File
from dgkd_stores.format.layout import ArrayLayout
from dgkd_stores.reading import blocks, mapped
from dgkd_stores.reading.ring import Ring


def spoil(place: Place, byte: int, mask: int = 1) -> None:
    """Flip bits of one byte of a chunk."""
    with open(place.path, "r+b") as file:
        file.seek(place.offset + byte)
        value = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([value ^ mask]))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.usefixtures("small_chunks")
class StoreTests(ABC):
    """`made` is a store of views 2 to 4, 50 samples, 4 chunks a view of 16 rows and 2 blocks each."""

    kind: ClassVar[str]
    codec: ClassVar[str]
    reader: ClassVar[str] = "mmap"
    how: ClassVar[dict[str, Any]] = {}
    """The array that its recipe has of its own; a row takes 28 bytes."""
    logits_bytes: ClassVar[int] = 28
    """Those of a row that are in `logits`."""

    @pytest.fixture
    def recipe(self) -> Any:
        return functools.partial(SmallStore, **self.how)

    @pytest.fixture(autouse=True)
    def read_by(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the disk of this machine: every store is read by `reader`."""
        reason = "a test" if self.reader == "pread" else ""
        monkeypatch.setattr("dgkd_stores.reading.reader.reason_to_copy", lambda path, wanted: reason)

    @abstractmethod
    def write(self, small: Any, path: Path) -> str:
        """Make the store of a recipe; its seal."""

    @abstractmethod
    def lose(self, path: Path, array: ArrayLayout, position: tuple[int, ...]) -> None:
        """Take a chunk away, as a disk or a person might."""

    @abstractmethod
    def cut_short(self, path: Path) -> None:
        """Take the last byte of the last file that was written away."""

    @property
    def compressed(self) -> bool:
        return self.codec != "none"

    @pytest.fixture
    def made(self, recipe: Any, tmp_path: Path) -> tuple[Any, Path]:
        small = recipe(first_view=2)
        self.write(small, tmp_path / "store")
        return small, tmp_path / "store"

    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
        """Chunks of rows whose place was asked for, to open them, in order."""
        chunks: list[tuple[int, ...]] = []

        def counted(really: Callable[..., Place]) -> Callable[..., Place]:
            def place(held: Container, array: ArrayLayout, position: tuple[int, ...]) -> Place:
                if array.name == "logits":
                    chunks.append(position)
                return really(held, array, position)

            return place

        for container in (ZarrFolder, Hdf5File):
            monkeypatch.setattr(container, "place", counted(container.place))
        return chunks

    def test_what_was_written_is_what_is_there(self, made: tuple[Any, Path], recipe: Any, tmp_path: Path) -> None:
        small, path = made
        plain = recipe(first_view=2).write(tmp_path / "plain.zarr")
        with GuideStore.open(path) as store:
            assert (store.kind, store.codec) == (self.kind, self.codec)
            assert store.header == small.header and store.seal == plain and store.completeness().complete
            names = {field.name for field in dataclasses.fields(IdentityArrays)} - {"shared", "condensed"}
            arrays = {name: (getattr(small.identity, name), getattr(store, name)) for name in names}
            assert set(store.shared) == set(small.shared)
            for name, (expected, found) in {
                **arrays,
                **{n: (small.shared[n], store.shared[n]) for n in small.shared},
            }.items():
                assert found.dtype == expected.dtype and (found == expected).all(), name
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            assert store.nbytes == sum(file.stat().st_size for file in files)

    def test_nothing_is_wrong_with_it(self, made: tuple[Any, Path]) -> None:
        found = verify(made[1], full=True)
        assert (found.exit_code, found.damage, found.blocks_checked) == (0, (), 3 * 7)

    @pytest.mark.parametrize("encoding", ["float32", "float16", "uint8", "factored", "topk"])
    def test_any_rows_in_any_order(self, recipe: Any, tmp_path: Path, encoding: str) -> None:
        small = recipe(first_view=2, encoding=encoding, tests=0)
        self.write(small, tmp_path / "store")
        everything = np.stack([small.logits(view) for view in range(2, 5)])
        # Half a step of 256 between a row's extremes, or of float16 at 4.
        step = {"float16": 2**-9, "uint8": np.ptp(everything, axis=2).max() / 509}.get(encoding, 0)
        with GuideStore.open(tmp_path / "store") as store:

            @settings(max_examples=50, deadline=None)
            @given(st.lists(st.tuples(st.integers(2, 4), st.integers(0, 49)), max_size=200))
            def check(pairs: list[tuple[int, int]]) -> None:
                views_B = np.array([view for view, _ in pairs], dtype=np.int64)
                samples_B = np.array([sample for _, sample in pairs], dtype=np.int64)
                rows = store.gather(views_B, samples_B)
                assert rows.shape == (len(pairs), small.classes) and rows.flags.writeable
                assert (np.abs(rows - everything[views_B - 2, samples_B]) <= step).all()

            check()

    def test_no_other_chunks_are_opened_than_are_needed(
        self, made: tuple[Any, Path], opened: list[tuple[int, ...]]
    ) -> None:
        with GuideStore.open(made[1]) as store:
            assert opened == []
            store.gather([3, 3, 3], [17, 18, 31])
            store.gather([3, 4, 2, 3], [20, 49, 0, 16])
            store.close()
        needed = [(1, 1, 0), (0, 0, 0), (2, 3, 0)]
        if not self.compressed:
            assert opened == needed
        else:
            # A chunk that is decoded has the one of the next view decoded ahead.
            ahead = {((view + 1) % 3, part, 0) for view, part, _ in needed}
            assert set(needed) <= set(opened) <= {*needed, *ahead}

    @pytest.mark.parametrize(
        ("views", "samples"), [([1], [0]), ([5], [0]), ([2], [50]), ([2], [-1]), ([2, 3], [0]), ([[2]], [[0]])]
    )
    def test_rows_that_are_not_there(self, made: tuple[Any, Path], views: Any, samples: Any) -> None:
        with GuideStore.open(made[1]) as store, pytest.raises(InvalidInput, match="expected .*, found") as caught:
            store.gather(views, samples)
        assert caught.value.exit_code == 2

    def test_a_flipped_bit_is_refused_or_changes_nothing(self, made: tuple[Any, Path]) -> None:
        small, path = made
        held = open_container(path)
        array = held.layout.rows["logits"]
        place = held.place(array, (1, 1, 0))
        size = place.nbytes or place.path.stat().st_size
        refused = 0
        for byte in range(0, size, 5):
            spoil(place, byte, 1 << byte % 8)
            try:
                with GuideStore.open(path) as store:
                    rows = store.gather(np.full(16, 3), np.arange(16, 32))
                assert (rows == small.logits(3)[16:32]).all(), byte
            except Damaged as error:
                assert error.exit_code == 12 and "`dgkd-cache " in error.do
                refused += 1
            spoil(place, byte, 1 << byte % 8)
        assert refused == len(range(0, size, 5)) or (self.compressed and refused > 0)
        with GuideStore.open(path) as store:
            assert (store.gather([3], [17]) == small.logits(3)[17]).all()

    def test_chunks_of_each_others_views(self, made: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        cls = type(open_container(made[1]))
        really = cls.place

        def swapped(held: Any, array: ArrayLayout, position: tuple[int, ...]) -> Place:
            view, *rest = position
            rows = array.name == "logits" and view < 2
            return really(held, array, (1 - view, *rest) if rows else position)

        monkeypatch.setattr(cls, "place", swapped)
        with GuideStore.open(made[1]) as store:
            for view in (2, 3):
                with pytest.raises(Damaged, match=f"view {view}, samples 0 to 7"):
                    store.gather([view], [0])
            store.gather([4], [0])

    @pytest.mark.parametrize("array", ["label", "sample_digest", "view_digest", "probe", "test_logits", "digest"])
    def test_the_seal_covers_what_digests_do_not(self, made: tuple[Any, Path], array: str) -> None:
        held = open_container(made[1])
        layout = held.layout.others[array]
        spoil(held.place(layout, tuple(0 for _ in layout.shape)), 0)
        with pytest.raises(Damaged, match=f"not what was sealed: damaged: expected {array} of SHA-256 .*, found"):
            GuideStore.open(made[1])

    @pytest.mark.parametrize("array", ["logits", "digest"])
    def test_a_lost_chunk(self, made: tuple[Any, Path], array: str) -> None:
        held = open_container(made[1])
        self.lose(made[1], held.layout.arrays[array], (2, 0, 0))
        with pytest.raises(Damaged, match=f"{array}/c.2.0.0: damaged: expected a chunk of .* bytes") as caught:
            GuideStore.open(made[1])
        assert caught.value.exit_code == 12

    def test_cut_short(self, made: tuple[Any, Path]) -> None:
        self.cut_short(made[1])
        with pytest.raises(Damaged, match="expected .* bytes") as caught:
            GuideStore.open(made[1])
        assert caught.value.exit_code == 12

    def test_a_chunk_that_goes_while_the_store_is_open(self, made: tuple[Any, Path]) -> None:
        with GuideStore.open(made[1]) as store:
            array = store.container.layout.rows["logits"]
            os.truncate(store.container.place(array, (0, 0, 0)).path, 0)
            nbytes = 16 * self.logits_bytes
            with pytest.raises(Damaged, match=f"damaged: expected a chunk of {nbytes} bytes, found"):
                store.gather([2], [0])
            os.unlink(store.container.place(array, (0, 0, 0)).path)
            with pytest.raises(Damaged, match=f"expected a chunk of {nbytes} bytes, found no such file"):
                store.gather([2], [0])

    @pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts files in /proc")
    def test_no_file_stays_open(self, recipe: Any, tmp_path: Path, opened: list[tuple[int, ...]]) -> None:
        small = recipe(views=80)
        everything = np.stack([small.logits(view) for view in range(80)])
        for name in ("a", "b"):
            self.write(small, tmp_path / name)
        opened.clear()
        before = open_files()
        rng = np.random.default_rng(0)
        with GuideStore.open(tmp_path / "a") as first, GuideStore.open(tmp_path / "b") as second:
            for _ in range(5):
                for store in (first, second):
                    views_B, samples_B = rng.integers(0, 80, 640), rng.integers(0, 50, 640)
                    assert (store.gather(views_B, samples_B) == everything[views_B, samples_B]).all()
                    assert open_files() - before <= 2  # of the chunk that is being decoded ahead
            assert len(set(opened)) > 256
            first.close()
            assert first.gather([0], [0]).shape == (1, small.classes)
        assert open_files() == before

    def test_threads(self, made: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        small, path = made
        monkeypatch.setattr(mapped, "MAX_MAPPINGS", 2)
        monkeypatch.setattr(blocks, "RING", Ring(1000))  # of 21 blocks of 256 bytes
        everything, wrong = np.stack([small.logits(view) for view in range(2, 5)]), []

        def work(seed: int, store: GuideStore) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(50):
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

    def test_a_copy_in_another_process_opens_its_own_chunks(
        self, made: tuple[Any, Path], opened: list[tuple[int, ...]]
    ) -> None:
        small, path = made
        with GuideStore.open(path) as store:
            store.gather([2], [0])
            opened.clear()
            copy = pickle.loads(pickle.dumps(store))
            assert (0, 0, 0) not in opened and copy.seal == store.seal
            assert (copy.gather([4], [3]) == small.logits(4)[3]).all()
            copy.close()
