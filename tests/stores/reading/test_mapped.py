"""Mapped rows: bounded mappings whatever is asked for, addresses given back, and rows that do not begin at a page."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import GuideStore, InvalidInput, RowIndex
from dgkd_stores.reading import mapped
from dgkd_stores.reading.address_space import Addresses
from dgkd_stores.reading.row_index import Placed

pytestmark = [
    pytest.mark.usefixtures("small_chunks"),
    pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="counts mappings in /proc"),
]


def mappings(path: Path) -> int:
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return sum(str(path) in line for line in lines)


@pytest.mark.parametrize("encoding", ["float16", "uint8"])
def test_no_more_mappings_than_the_limit(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    small = recipe(views=12, encoding=encoding)
    small.write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        rng = np.random.default_rng(0)
        everything = store.gather(np.repeat(np.arange(12), 50), np.tile(np.arange(50), 12)).reshape(12, 50, -1)
        unbounded = mappings(tmp_path)
        monkeypatch.setattr(mapped, "MAX_MAPPINGS", 5)
        store.close()
        assert mappings(tmp_path) == 0
        for size in (1, 3, 7, 64, 300):
            for _ in range(10):
                views_B, samples_B = rng.integers(0, 12, size), rng.integers(0, 50, size)
                assert (store.gather(views_B, samples_B) == everything[views_B, samples_B]).all()
                assert 0 < mappings(tmp_path) <= 5 < unbounded
    assert mappings(tmp_path) == 0


def test_the_limit_is_for_all_stores_together(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = recipe(views=12)
    everything = np.stack([small.logits(view) for view in range(12)])
    for name in "ab":
        small.write(tmp_path / name)
    monkeypatch.setattr(mapped, "MAX_MAPPINGS", 20)
    rng = np.random.default_rng(1)
    with GuideStore.open(tmp_path / "a") as first, GuideStore.open(tmp_path / "b") as second:
        for _ in range(20):
            for store in (first, second):
                views_B, samples_B = rng.integers(0, 12, 9), rng.integers(0, 50, 9)
                assert (store.gather(views_B, samples_B) == everything[views_B, samples_B]).all()
                assert 0 < mappings(tmp_path) <= 20
    assert mappings(tmp_path) == 0


@pytest.mark.slow
def test_as_many_mappings_as_the_limit_can_be_had(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(4096))
    rows = Addresses(chunks=mapped.MAX_MAPPINGS + 1000, chunk_bytes=4096, row_bytes=8)
    for chunk in range(mapped.MAX_MAPPINGS):
        rows.map(chunk, tmp_path / "rows")
    assert mappings(tmp_path) == mapped.MAX_MAPPINGS


def test_addresses_are_given_back(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr")

    def addresses() -> int:
        fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
        return int(fields[0]) * 4096

    def use() -> None:
        rows = Addresses(chunks=2**10, chunk_bytes=2**30, row_bytes=8)
        del rows

    use()
    gc.collect()
    before = addresses()
    for _ in range(100):  # 100 TiB in all
        use()
    gc.collect()
    assert addresses() - before < 2**40


def test_chunks_anywhere_in_a_file(tmp_path: Path) -> None:
    content = np.random.default_rng(0).integers(0, 256, 40_000, dtype=np.uint8)
    (tmp_path / "rows").write_bytes(content.tobytes())
    rows = Addresses(chunks=3, chunk_bytes=9000, row_bytes=90)
    starts = (1, 4096, 31_000)
    for chunk, start in enumerate(starts):
        assert (rows.map(chunk, tmp_path / "rows", start, 9000) == content[start : start + 9000]).all()
    chunk_B, row_B = np.array([2, 0, 1, 2, 0]), np.array([99, 0, 50, 0, 98])
    expected = [content[starts[chunk] + 90 * row :][:90] for chunk, row in zip(chunk_B, row_B, strict=True)]
    assert (rows.gather(Placed(chunk_B, row_B)).view(np.uint8).reshape(-1, 90) == np.stack(expected)).all()
    for start, nbytes in ((31_001, 9000), (0, 0), (0, 20_000)):
        with pytest.raises(ValueError, match="a file of 40000 bytes where"):
            rows.map(0, tmp_path / "rows", start, nbytes)


def test_too_few_addresses_are_an_error_and_no_crash(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr")
    code = f"""
import resource
from dgkd_stores import GuideStore, InvalidInput, RowIndex
from dgkd_stores.reading.address_space import Addresses
from dgkd_stores.reading.row_index import Placed
with GuideStore.open({str(tmp_path / "a.zarr")!r}) as store:
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    store.gather([0], [0])
    try:
        Addresses(chunks=2**10, chunk_bytes=2**30, row_bytes=8)
    except OSError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ulimit -v" in done.stdout


def test_interrupted_while_chunks_are_let_go(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come at any line: what is unmapped by then is mapped again before it is read."""
    small = recipe()
    small.write(tmp_path / "a.zarr")
    really = Addresses.unmap

    def interrupted(self: Addresses) -> None:
        really(self)
        raise KeyboardInterrupt

    with GuideStore.open(tmp_path / "a.zarr") as store:
        assert (store.gather([1], [3])[0] == small.logits(1)[3]).all()
        with monkeypatch.context() as patch:
            patch.setattr(Addresses, "unmap", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.close()
        assert (store.gather([1], [3])[0] == small.logits(1)[3]).all()


def test_an_index_is_of_the_numbers_that_it_was_given(recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    small.write(tmp_path / "a.zarr")
    views_B, samples_B = np.array([0, 2]), np.array([1, 49])
    with GuideStore.open(tmp_path / "a.zarr") as store:
        index = RowIndex(views_B, samples_B)
        first = store.gather_rows(index)["logits"]
        views_B[:], samples_B[:] = 1, 7
        store.close()
        assert (store.gather_rows(index)["logits"] == first).all()
        for wrong in ([0.5, 1.0], [True, False], ["0", "1"]):
            with pytest.raises(InvalidInput, match="expected integers"):
                store.gather(wrong, [0, 1])
        with pytest.raises(InvalidInput, match="views that .* expected 0 to 2, found 3 to 3"):
            same = np.array([3])
            store.gather(same, same)
