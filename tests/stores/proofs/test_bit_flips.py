"""One bit of a store is flipped, anywhere: it is noticed, no changed row is given out, and repair takes it back.

The quick run draws places over all bytes of all files; the slow one, more of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.damage import mend

from dgkd_stores import Damaged, DgkdError, GuideStore, convert, verify

pytestmark = pytest.mark.usefixtures("small_chunks")

ENCODINGS = ("float32", "float16", "uint8", "factored", "topk")
QUICK, SLOW = 170, 1000


class Subject:
    """A small store, what is in it, and its files."""

    def __init__(self, small: Any, path: Path) -> None:
        self.small, self.path = small, path
        self.files = {file: file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
        with GuideStore.open(path) as store:
            self.rows = np.stack([self.of_view(store, view) for view in store.views])
            self.arrays = arrays_of(store)

    def flips(self, count: int, seed: int) -> Iterator[Path]:
        """Flip one bit at a time, every bit of the store as likely; the file is put back afterwards."""
        names, sizes = list(self.files), np.array([len(data) for data in self.files.values()])
        rng = np.random.default_rng(seed)
        for at in rng.integers(0, 8 * sizes.sum(), count).tolist():
            byte, bit = divmod(at, 8)
            number = int(np.searchsorted(np.cumsum(sizes), byte, side="right"))
            file, offset = names[number], byte - int(sizes[:number].sum())
            data = bytearray(self.files[file])
            data[offset] ^= 1 << bit
            file.write_bytes(data)
            yield file
            file.write_bytes(self.files[file])

    def of_view(self, store: GuideStore, view: int) -> np.ndarray[Any, Any]:
        samples = self.small.samples
        return store.gather(np.full(samples, view), np.arange(samples))

    def noticed(self) -> bool:
        try:
            return verify(self.path, full=True).exit_code in (12, 15)
        except DgkdError as error:
            return error.exit_code in (12, 13, 15)

    def check_that_nothing_changed_is_given_out(self) -> bool:
        """Every block comes out as it was, or with an error. Whether all of it came out."""
        small, whole = self.small, True
        try:
            store = GuideStore.open(self.path)
        except DgkdError:
            return False
        with store:
            for name, array in arrays_of(store).items():
                assert (array == self.arrays[name]).all(), name
            for view in store.views:
                for start in range(0, small.samples, small.digest_rows):
                    rows = np.arange(start, min(start + small.digest_rows, small.samples))
                    try:
                        given = store.gather(np.full(len(rows), view), rows)
                    except Damaged:
                        whole = False
                    else:
                        assert (given == self.rows[view - store.views.start, rows]).all()
        return whole

    def is_whole(self) -> bool:
        return {file: file.read_bytes() for file in self.path.rglob("*") if file.is_file()} == self.files


def arrays_of(store: GuideStore) -> dict[str, np.ndarray[Any, Any]]:
    names = ("label_N", "sample_digest_N16", "view_digest_V32", "probe", "test_logits_MC", "test_label_M")
    return {name: getattr(store, name) for name in (*names, "test_sample_digest_M16")}


def check_raw(subject: Subject, count: int, seed: int, *, repair_each: int) -> None:
    for number, file in enumerate(subject.flips(count, seed)):
        assert subject.noticed(), file
        subject.check_that_nothing_changed_is_given_out()
        if number % repair_each:
            continue
        try:
            mend(subject.small, subject.path)
            assert subject.is_whole(), file
        except DgkdError as error:
            assert file == subject.path / "zarr.json", error
            assert os.path.getsize(file) == len(subject.files[file])


def check_compressed(subject: Subject, count: int, seed: int) -> None:
    for file in subject.flips(count, seed):
        whole = subject.check_that_nothing_changed_is_given_out()
        assert subject.noticed() or whole, file


@pytest.mark.parametrize(
    "encoding", [pytest.param("float32", marks=pytest.mark.slow), "float16", "uint8", "factored", "topk"]
)
def test_places_of_raw_stores(recipe: Any, tmp_path: Path, encoding: str) -> None:
    small = recipe(views=2, samples=20, encoding=encoding)
    small.write(tmp_path / "a.zarr")
    check_raw(Subject(small, tmp_path / "a.zarr"), QUICK, ENCODINGS.index(encoding), repair_each=5)


@pytest.mark.parametrize("codec", ["zstd", "blosc"])
def test_places_of_compressed_stores(recipe: Any, tmp_path: Path, codec: str) -> None:
    small = recipe(views=2, samples=20, encoding="uint8")
    small.write(tmp_path / "raw.zarr")
    convert(tmp_path / "raw.zarr", tmp_path / "a.zarr", codec=codec)
    check_compressed(Subject(small, tmp_path / "a.zarr"), QUICK, 7)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_many_places_of_raw_stores(recipe: Any, tmp_path: Path, encoding: str) -> None:
    small = recipe(encoding=encoding)
    small.write(tmp_path / "a.zarr")
    check_raw(Subject(small, tmp_path / "a.zarr"), SLOW, 100 + ENCODINGS.index(encoding), repair_each=1)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("codec", ["zstd", "blosc"])
def test_many_places_of_compressed_stores(recipe: Any, tmp_path: Path, encoding: str, codec: str) -> None:
    small = recipe(encoding=encoding)
    small.write(tmp_path / "raw.zarr")
    convert(tmp_path / "raw.zarr", tmp_path / "a.zarr", codec=codec)
    check_compressed(Subject(small, tmp_path / "a.zarr"), SLOW, 200 + ENCODINGS.index(encoding))
