"""Codecs: exact sizes, the same bytes every time, and zarr's own codecs on the other side."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings, strategies as st
from numcodecs import blosc, zstd

from dgkd_stores import GuideStore, InvalidInput, UnsafeStore
from dgkd_stores.coding.codecs import RAW, Blosc, Zstd, codec_names, codec_of, get_codec
from dgkd_stores.format.layout import StoreLayout
from dgkd_stores.format.limits import MAX_ENCODED_CHUNK_BYTES

CODECS = [RAW, Blosc(), Zstd()]


def noise(nbytes: int, levels: int = 256) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(nbytes).integers(0, levels, nbytes, dtype=np.uint8)


def as_bytes(stored: bytes | memoryview) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(stored, dtype=np.uint8)


@pytest.mark.parametrize("one", CODECS, ids=lambda one: one.name)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(min_size=1, max_size=3000), times=st.integers(1, 40), itemsize=st.sampled_from([1, 2, 4]))
def test_round_trip(one: Any, data: bytes, times: int, itemsize: int) -> None:
    raw = as_bytes(data * times * itemsize)
    stored = as_bytes(one.encode(raw, itemsize))
    assert one.plausible(stored.size, raw.size)
    assert one.decode(stored, raw.size).tobytes() == raw.tobytes()


@pytest.mark.parametrize("one", CODECS, ids=lambda one: one.name)
@pytest.mark.parametrize("size", [1, 15, 16, 127, 128, 129, 65_536, 3_000_000])
@pytest.mark.parametrize("levels", [1, 4, 256])
def test_sizes_are_exact(one: Any, size: int, levels: int) -> None:
    raw = noise(size, levels)
    stored = as_bytes(one.encode(raw, 1))
    assert one.plausible(stored.size, size)
    for other in {size - 1, size + 1, 2 * size, 2**28} - {0}:
        with pytest.raises(ValueError, match="bytes"):
            one.decode(stored, other)


@pytest.mark.parametrize("one", CODECS, ids=lambda one: one.name)
def test_cut_anywhere(one: Any) -> None:
    raw = noise(500, 3)
    stored = as_bytes(one.encode(raw, 4)).copy()
    for stop in range(stored.size):
        with pytest.raises(ValueError):
            one.decode(stored[:stop], raw.size)
    with pytest.raises(ValueError):
        one.decode(np.concatenate([stored, stored]), raw.size)


def test_the_same_bytes_from_any_thread() -> None:
    """3 MB are several blocks, which blosc's own threads would put in any order."""
    raw, found = noise(3_000_000, 16), set[bytes]()
    before = blosc.use_threads

    def encode() -> None:
        for _ in range(5):
            found.add(bytes(Blosc().encode(raw, 4)))

    threads = [threading.Thread(target=encode) for _ in range(4)]
    for thread in threads:
        thread.start()
    encode()
    for thread in threads:
        thread.join()
    assert len(found) == 1 and blosc.use_threads is before


@pytest.mark.parametrize("before", [None, True, False])
def test_the_switch_of_blosc_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch, before: bool | None) -> None:
    monkeypatch.setattr(blosc, "use_threads", before)
    seen, inside, leave = [], threading.Event(), threading.Event()
    really = blosc.compress

    def compress(*arguments: Any) -> Any:
        seen.append(blosc.use_threads)
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            leave.wait()
        return really(*arguments)

    monkeypatch.setattr(blosc, "compress", compress)
    other = threading.Thread(target=Blosc().encode, args=(noise(200), 4))
    other.start()
    inside.wait()
    Blosc().encode(noise(200), 4)
    assert blosc.use_threads is False  # The other thread is still at it.
    leave.set()
    other.join()
    assert seen == [False, False] and blosc.use_threads is before
    with pytest.raises(ValueError, match="error during blosc"):
        Blosc().decode(as_bytes(b"\x02\x01\xe1\x04" + np.array([200, 200, 40], "<u4").tobytes() + bytes(24)), 200)
    assert blosc.use_threads is before


def test_names() -> None:
    assert codec_names() == ("none", "blosc", "zstd")
    with pytest.raises(InvalidInput, match="one of none, blosc, zstd, found 'zst'; did you mean 'zstd'"):
        get_codec("zst")


@pytest.fixture(params=["float16", "float32", "uint8"])
def small(request: pytest.FixtureRequest, recipe: Any, small_chunks: None) -> Any:
    return recipe(encoding=request.param)


@pytest.mark.parametrize("name", ["blosc", "zstd"])
def test_zarr_reads_what_we_write(small: Any, tmp_path: Path, name: str) -> None:
    small.write(tmp_path / "a.zarr", codec=name)
    with GuideStore.open(tmp_path / "a.zarr") as store:
        for array in store.container.layout.rows.values():
            theirs = zarr.open_array(tmp_path / "a.zarr" / array.name, mode="r")
            for view in range(3):
                ours = store.gather_stored([view] * 50, np.arange(50))[array.name]
                assert np.asarray(theirs[view]).tobytes() == ours.tobytes()
            stages = json.loads((tmp_path / "a.zarr" / array.name / "zarr.json").read_bytes())["codecs"]
            assert [stage.to_dict() for stage in theirs.metadata.codecs][1:] == stages[1:]


COMPRESSORS = {
    "zstd": [zarr.codecs.ZstdCodec(level=level, checksum=sum_) for level in (-5, 0, 19) for sum_ in (False, True)],
    "blosc": [
        zarr.codecs.BloscCodec(cname=cname, clevel=clevel, shuffle=shuffle)
        for cname, clevel, shuffle in (
            ("lz4", 1, "shuffle"),
            ("lz4hc", 9, "bitshuffle"),
            ("zlib", 5, "noshuffle"),
            ("blosclz", 9, "shuffle"),
            ("zstd", 0, "bitshuffle"),
            ("zstd", 9, "shuffle"),
        )
    ],
}


@pytest.mark.filterwarnings("ignore:Object at .* is not recognized")
@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, ones in COMPRESSORS.items() for number in range(len(ones))]
)
def test_we_read_what_zarr_writes(small: Any, tmp_path: Path, name: str, number: int) -> None:
    """The row arrays written anew by zarr, with its other levels and inner compressors, are the same store."""
    small.write(tmp_path / "a.zarr", codec=name)
    with GuideStore.open(tmp_path / "a.zarr") as store:
        rows = store.gather([0, 1, 2] * 50, np.repeat(np.arange(50), 3))
        for array in store.container.layout.rows.values():
            theirs = np.asarray(zarr.open_array(tmp_path / "a.zarr" / array.name, mode="r")[:])
            made = zarr.create_array(
                tmp_path / "a.zarr" / array.name,
                shape=array.shape,
                chunks=array.chunks,
                dtype=array.dtype,
                fill_value=array.fill_value if array.dtype != "uint8" else 0,
                compressors=COMPRESSORS[name][number],
                chunk_key_encoding={"name": "default", "separator": "."},
                dimension_names=array.dimensions,
                overwrite=True,
            )
            made[:] = theirs
    with GuideStore.open(tmp_path / "a.zarr") as store:
        assert (store.gather([0, 1, 2] * 50, np.repeat(np.arange(50), 3)) == rows).all()
        assert store.container.layout.codec.name == name


def test_frames_of_other_writers() -> None:
    raw = noise(1000, 5)
    for stored in (zstd.compress(raw, 1, False), zstd.compress(raw, 22, True)):
        assert Zstd().decode(as_bytes(stored), 1000).tobytes() == raw.tobytes()


def test_what_is_no_codec() -> None:
    level = {"name": "zstd", "configuration": {"level": 3, "checksum": True}}
    assert codec_of([], 4) is RAW and isinstance(codec_of([level], 4), Zstd)
    for stages in ([level, level], None, {}, "zstd", [None], [["zstd"]], [{}], [{"name": "zstd"}]):
        assert codec_of(stages, 4) is None  # type: ignore[arg-type]  # wrong on purpose


def test_a_chunk_that_would_not_fit(recipe: Any, tmp_path: Path) -> None:
    header = recipe(samples=2**24, classes=8).header
    assert MAX_ENCODED_CHUNK_BYTES == 2**24 * 32
    StoreLayout(header, chunk_rows=2**24, codec=Zstd()).check_limits(tmp_path)
    wider = recipe(samples=2**24 + 8, classes=8).header
    StoreLayout(wider, chunk_rows=2**24 + 8).check_limits(tmp_path)
    with pytest.raises(UnsafeStore, match=f"too large: expected at most {MAX_ENCODED_CHUNK_BYTES}"):
        StoreLayout(wider, chunk_rows=2**24 + 8, codec=Zstd()).check_limits(tmp_path)
