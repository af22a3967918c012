"""Files that are proven as they arrive: the same results as from the whole file, whatever the pieces are."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stores.support.small_store import SmallStore

from dgkd_stores.containers import ZarrFolder
from dgkd_stores.sharing.arrival import Arrival, Content, Hashed, RowsArrival, narrow_first

DATA = random.Random(1).randbytes(1000)


def pieces(data: bytes, seed: int) -> Iterator[memoryview]:
    numbers = random.Random(seed)
    while data:
        count = numbers.choice((0, 1, 3, 29, 64, 200, 1000))
        yield memoryview(data[:count])
        data = data[count:]


def give(arrival: Arrival, data: bytes, seed: int) -> None:
    for piece in pieces(data, seed):
        arrival.take(piece)


@pytest.mark.parametrize("seed", range(5))
def test_a_hash_and_content(tmp_path: Path, seed: int) -> None:
    hashed, into = Hashed(), np.zeros(1000, np.uint8)
    content = Content(into)
    assert hashed.digest == hashlib.sha256(b"").hexdigest()
    for data in (b"of another object", DATA):
        for arrival in (hashed, content):
            arrival.begin()
            give(arrival, data, seed)
    assert hashed.digest == hashlib.sha256(DATA).hexdigest() and into.tobytes() == DATA
    give(content, b"surplus", seed)
    assert into.tobytes() == DATA
    (tmp_path / "a").write_bytes(DATA)
    handle = os.open(tmp_path / "a", os.O_RDONLY)
    hashed.read(handle, 900)
    os.close(handle)
    give(hashed, DATA[900:], seed)
    assert hashed.digest == hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["float32", "float16", "uint8", "factored"])
def held(request: pytest.FixtureRequest, recipe: type[SmallStore], small_chunks: None, tmp_path: Path) -> ZarrFolder:
    """A store whose views have whole chunks and a last one, most of which is padding."""
    recipe(encoding=request.param, samples=53).write(tmp_path / "a.zarr")
    return ZarrFolder.inspect(tmp_path / "a.zarr")


def content(held: ZarrFolder, part: int) -> dict[str, bytes]:
    return {
        name: (held.path / held.name_of(array, (1, part, 0))).read_bytes() for name, array in held.layout.rows.items()
    }


def arrived(held: ZarrFolder, part: int, files: dict[str, bytes], seed: int) -> RowsArrival:
    arrival = RowsArrival(held, part)
    for array in narrow_first(held.layout):
        give(arrival.files[array.name], files[array.name], seed)
    return arrival


@pytest.mark.parametrize("piece", [1, 70, 2**18])
def test_rows_against_the_digests_of_the_store(held: ZarrFolder, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """The writer made them from the logits, before any file was there."""
    monkeypatch.setattr("dgkd_stores.sharing.arrival.PIECE_BYTES", piece)
    sealed_B32, at = held.digests()[1], 0
    for part in range(held.layout.chunks_per_view):
        found = arrived(held, part, content(held, part), seed=part).result()
        assert (found.digests == sealed_B32[at : at + len(found.digests)]).all()
        assert found.finite.all() and all(found.padded)
        at += len(found.digests)
    assert at == len(sealed_B32) == 7


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_are_begun_anew_or_too_many(held: ZarrFolder, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr("dgkd_stores.sharing.arrival.PIECE_BYTES", 70)
    files = content(held, 0)
    arrival = arrived(held, 0, {name: data[: len(data) * seed // 3] for name, data in files.items()}, seed)
    for array in narrow_first(held.layout):
        one = arrival.files[array.name]
        one.begin()
        give(one, files[array.name] + b"surplus", seed)
    found = arrival.result()
    assert (found.digests == held.digests()[1, : len(found.digests)]).all() and len(found.digests) > 0


def test_rows_that_are_wrong(held: ZarrFolder) -> None:
    last = held.layout.chunks_per_view - 1
    widest = narrow_first(held.layout)[-1]
    right, files = held.digests()[1], content(held, last)
    rows = len(right) - last * held.layout.chunk_rows // held.header.digest_rows
    damaged = bytearray(files[widest.name])
    damaged[0] ^= 1
    damaged[-1] ^= 1
    found = arrived(held, last, {**files, widest.name: bytes(damaged)}, 0).result()
    assert len(found.digests) == rows and (found.digests[0] != right[-rows]).any()
    assert found.padded == tuple(name != widest.name for name in held.layout.rows)
    if held.header.encoding != "uint8":
        nothing = np.frombuffer(files[widest.name], widest.numpy_dtype).copy()
        nothing[1] = np.nan
        assert not arrived(held, last, {**files, widest.name: nothing.tobytes()}, 0).result().finite[0]


def test_the_widest_array_comes_last(held: ZarrFolder) -> None:
    widths = [array.columns * np.dtype(array.dtype).itemsize for array in held.header.row_encoding.row_arrays(7)]
    assert [array.row_bytes for array in narrow_first(held.layout)] == sorted(widths)
