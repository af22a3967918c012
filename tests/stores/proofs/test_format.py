"""A second reader, written from stores/FORMAT.md with json, hashlib and numpy alone, and Zarr as a third."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from stores.support.small_store import identity_arrays

from dgkd_stores import GuideStore

DTYPES = {"float16": "<f2", "float32": "<f4", "uint8": "u1", "uint16": "<u2", "int32": "<i4", "int64": "<i8"}


def read_array(folder: Path) -> np.ndarray[Any, Any]:
    """One array from its zarr.json and its raw chunks."""
    meta = json.loads((folder / "zarr.json").read_bytes())
    assert [codec["name"] for codec in meta["codecs"]] == ["bytes"]
    dtype, shape = np.dtype(DTYPES[meta["data_type"]]), meta["shape"]
    chunks = meta["chunk_grid"]["configuration"]["chunk_shape"]
    whole = np.zeros([-(-size // chunk) * chunk for size, chunk in zip(shape, chunks, strict=True)], dtype)
    for file in folder.glob("c.*"):
        at = [int(number) for number in file.name.split(".")[1:]]
        place = tuple(slice(i * chunk, (i + 1) * chunk) for i, chunk in zip(at, chunks, strict=True))
        whole[place] = np.fromfile(file, dtype).reshape(chunks)
    return whole[tuple(slice(0, size) for size in shape)]


def compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def row_arrays(small: Any) -> list[str]:
    """The arrays of a row, in the order of a record."""
    return {"uint8": ["logits", "scale"], "topk": ["index", "logits", "tail"]}.get(small.encoding, ["logits"])


def decoded(path: Path, small: Any, prefix: str = "") -> np.ndarray[Any, Any]:
    """All rows as numbers."""
    logits = read_array(path / f"{prefix}logits")
    if small.encoding == "factored":
        assert logits.dtype == np.float16 and read_array(path / "basis").shape == (7, 6)
        sums = logits.astype(np.float32) @ read_array(path / "basis").T
        return np.asarray(sums + read_array(path / "bias"))
    if small.encoding == "topk":
        index, tail = read_array(path / f"{prefix}index"), read_array(path / f"{prefix}tail")
        assert (index.dtype, logits.dtype, tail.dtype) == (np.uint16, np.float16, np.float32)
        rows = np.repeat(tail[..., :1], 7, axis=-1)  # of one class, whose log-sum-exp is its logit
        for at in np.ndindex(index.shape):
            rows[(*at[:-1], index[at])] = logits[at]
        return rows
    if small.encoding != "uint8":
        assert logits.dtype == small.encoding
        return logits
    scale = read_array(path / f"{prefix}scale")
    assert (logits.dtype, scale.dtype) == (np.uint8, np.float32)
    return logits.astype(np.float32) * scale[..., :1] + scale[..., 1:]


def check_close(rows: np.ndarray[Any, Any], exact: np.ndarray[Any, Any], small: Any) -> None:
    """Equal but for what the encoding rounds: half of a 255th of a row's span where it is uint8."""
    if small.encoding == "uint8":
        assert (np.abs(rows - exact) <= np.ptp(exact, axis=-1, keepdims=True) / 509).all()
    else:
        assert (rows == exact.astype("float16" if small.encoding == "float16" else "float32")).all()


@pytest.fixture(params=["float32", "float16", "uint8", "factored", "topk"])
def made(request: pytest.FixtureRequest, recipe: Any, small_chunks: None, tmp_path: Path) -> tuple[Any, Path]:
    small = recipe(encoding=request.param, first_view=5, probe="projection")
    small.write(tmp_path / "ta1.zarr")
    return small, tmp_path / "ta1.zarr"


def test_rows_by_hand(made: tuple[Any, Path]) -> None:
    small, path = made
    rows = decoded(path, small)
    for view in range(3):
        check_close(rows[view], small.logits(5 + view), small)
        with GuideStore.open(path) as store:
            assert store.gather(np.full(50, 5 + view), np.arange(50)).tobytes() == rows[view].tobytes()


def test_digests_and_seal_by_hand(made: tuple[Any, Path]) -> None:
    small, path = made
    attributes = json.loads((path / "zarr.json").read_bytes())["attributes"]
    digest, parts = read_array(path / "digest"), [read_array(path / name) for name in row_arrays(small)]
    for view in range(3):
        for block in range(7):
            samples = range(block * 8, min(block * 8 + 8, 50))
            rows = b"".join(part[view, i].tobytes() for i in samples for part in parts)
            assert digest[view, block].tobytes() == hashlib.sha256(rows).digest()
    message = compact(attributes["dgkd"])
    for folder in sorted(path.iterdir()):
        if folder.is_dir() and folder.name not in row_arrays(small):
            message += folder.name.encode() + b"\0" + hashlib.sha256(read_array(folder).tobytes()).digest()
    assert hashlib.sha256(message).hexdigest() == attributes["dgkd_seal"]
    assert small.write(path) == attributes["dgkd_seal"]


def test_identity_arrays_by_hand(made: tuple[Any, Path]) -> None:
    small, path = made
    given = small.identity
    with GuideStore.open(path) as store:
        assert store.views == range(5, 8) and store.header == small.header
        read = identity_arrays(store)
        for name, expected in identity_arrays(given).items():
            assert (read_array(path / name) == expected).all(), name
            assert (read[name] == expected).all(), name
            assert read[name].dtype == expected.dtype
        tests = decoded(path, small, "test_")
        check_close(tests, given.test_logits_MC, small)
        assert store.test_logits_MC.dtype == np.float32 and (store.test_logits_MC == tests).all()


def test_padding_is_nan_or_zero(made: tuple[Any, Path]) -> None:
    small, path = made
    for name in row_arrays(small):
        meta = json.loads((path / name / "zarr.json").read_bytes())
        _, rows, columns = meta["chunk_grid"]["configuration"]["chunk_shape"]
        assert rows < 50 and rows % 16 == 0
        last = np.fromfile(path / name / f"c.0.{50 // rows}.0", DTYPES[meta["data_type"]]).reshape(rows, columns)
        assert np.isfinite(last[: 50 % rows]).all()
        assert (last[50 % rows :] == 0 if last.dtype.kind == "u" else np.isnan(last[50 % rows :])).all()


def test_zarr_reads_the_same(made: tuple[Any, Path]) -> None:
    small, path = made
    group = zarr.open_group(path, mode="r")
    assert set(group.array_keys()) == {folder.name for folder in path.iterdir() if folder.is_dir()}
    for name, array in group.arrays():
        expected = read_array(path / name)
        assert array.dtype == expected.dtype and np.array_equal(array[...], expected), name
    assert group["digest"].metadata.dimension_names == ("view", "block", "digest_byte")
    for name in row_arrays(small):
        of_logits = {"factored": "component", "topk": "entry"}.get(small.encoding, "class")
        third = {"logits": of_logits, "scale": "affine", "index": "entry", "tail": "temperature"}[name]
        assert group[name].metadata.dimension_names == ("view", "sample", third)
        assert group[f"test_{name}"].metadata.dimension_names == ("test_sample", third)
        assert group[name].fill_value == 0 if group[name].dtype.kind == "u" else np.isnan(group[name].fill_value)
    assert dict(group.attrs)["dgkd"] == small.header.to_dict()


def test_metadata_is_what_zarr_would_write(made: tuple[Any, Path], tmp_path: Path) -> None:
    _, path = made
    for name, array in zarr.open_group(path, mode="r").arrays():
        zarr.create_array(
            tmp_path / name,
            shape=array.shape,
            chunks=array.chunks,
            dtype=array.dtype,
            compressors=None,
            filters=None,
            fill_value=array.fill_value,
            dimension_names=array.metadata.dimension_names,
            chunk_key_encoding={"name": "default", "separator": "."},
        )
        theirs, ours = ((folder / name / "zarr.json").read_bytes() for folder in (tmp_path, path))
        assert {**json.loads(ours), "storage_transformers": []} == json.loads(theirs)
        # Its bytes are others than the page's: were they not, writing/skeleton.py could leave the files to Zarr.
        assert ours == laid_out(ours) and theirs not in (laid_out(ours), laid_out(theirs)), name
    attributes = dict(zarr.open_group(path, mode="r").attrs)
    zarr.create_group(tmp_path / "group.zarr", attributes=attributes)
    theirs, ours = ((folder / "zarr.json").read_bytes() for folder in (tmp_path / "group.zarr", path))
    assert json.loads(theirs) == json.loads(ours) and ours == laid_out(theirs) != theirs


def laid_out(file: bytes) -> bytes:
    """The JSON of a file as the page has it: sorted, two spaces a level, letters as they are, a newline at the end."""
    return json.dumps(json.loads(file), sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"


def test_a_store_without_a_test_set(recipe: Any, tmp_path: Path) -> None:
    assert recipe(tests=0).write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        assert store.test_logits_MC.shape == (0, 7) and store.test_label_M.shape == (0,)
    assert zarr.open_group(tmp_path / "a.zarr", mode="r")["test_logits"].shape == (0, 7)
