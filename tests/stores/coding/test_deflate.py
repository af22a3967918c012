"""Deflate: zlib's streams and HDF5's shuffling, exact in size, and no more memory than was declared."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, strategies as st

from dgkd_stores.coding.codecs import Codec, ZarrCodec, codec_names
from dgkd_stores.coding.codecs.deflate import Deflate


def flat(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(data, dtype=np.uint8)


@pytest.mark.parametrize("dtype", ["<f4", "<f2", "u1", "<i8"])
def test_what_hdf5_reads_back(dtype: str) -> None:
    """HDF5's own filters decode our chunks, and we decode theirs."""
    values = np.random.default_rng(0).normal(size=(6, 5)).astype(dtype)
    size = values.dtype.itemsize
    ours = bytes(Deflate().encode(flat(values.tobytes()), size))
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        filters: dict[str, Any] = {"compression": 9, "shuffle": size > 1}
        file.create_dataset("ours", shape=(6, 5), dtype=dtype, chunks=(6, 5), **filters)
        file["ours"].id.write_direct_chunk((0, 0), ours)
        assert (file["ours"][...] == values).all()
        theirs = file.create_dataset("theirs", data=values, chunks=(6, 5), **filters).id.read_direct_chunk((0, 0))[1]
    assert Deflate(size).decode(flat(theirs), values.nbytes).tobytes() == values.tobytes()
    assert Deflate(size).plausible(len(ours), values.nbytes)


@given(st.binary(max_size=400), st.sampled_from([1, 2, 4]))
def test_there_and_back(data: bytes, size: int) -> None:
    data = data[: len(data) // size * size]
    stored = bytes(Deflate().encode(flat(data), size))
    if data:
        assert Deflate(size).decode(flat(stored), len(data)).tobytes() == data
        assert Deflate(size).plausible(len(stored), len(data))


RAW = bytes(range(200)) * 2
STREAM = zlib.compress(RAW)


@pytest.mark.parametrize(
    "stored",
    {
        "empty": b"",
        "no stream": b"\0" * 40,
        "cut": STREAM[:-1],
        "without its checksum": STREAM[:-4],
        "another checksum": STREAM[:-1] + bytes([STREAM[-1] ^ 1]),
        "more after it": STREAM + b"\0",
        "two streams": STREAM + STREAM,
        "a byte too few": zlib.compress(RAW[:-1]),
        "a byte too many": zlib.compress(RAW + b"\0"),
        "much too many": zlib.compress(RAW * 1000),
        "gzip": zlib.compress(RAW, wbits=31),
        "raw deflate": zlib.compress(RAW, wbits=-15),
        "a dictionary": (lambda made: made.compress(RAW) + made.flush())(zlib.compressobj(zdict=RAW[:50])),
    }.items(),
    ids=lambda item: item[0],
)
def test_anything_else_is_refused(stored: tuple[str, bytes]) -> None:
    assert Deflate(2).decode(flat(STREAM), len(RAW)).size == len(RAW)
    with pytest.raises(ValueError, match="."):
        Deflate(2).decode(flat(stored[1]), len(RAW))


def test_a_bomb_takes_no_more_than_was_declared() -> None:
    bomb = zlib.compress(bytes(2**28), 9)
    assert len(bomb) < 2**19
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="no zlib stream of 65536 bytes"):
            Deflate().decode(flat(bomb), 2**16)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_sizes_that_a_stream_can_have() -> None:
    noise = np.random.default_rng(1).integers(0, 256, 2**20, dtype=np.uint8)
    for count in (1, 100, 2**14, 2**20):
        assert Deflate().plausible(len(bytes(Deflate().encode(noise[:count], 1))), count)
    assert not Deflate().plausible(0, 100) and not Deflate().plausible(2000, 100)


def test_it_has_no_form_in_a_folder() -> None:
    assert isinstance(Deflate(), Codec) and not isinstance(Deflate(), ZarrCodec)
    assert Deflate.name not in codec_names()
