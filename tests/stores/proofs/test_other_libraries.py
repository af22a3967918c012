"""Libraries that people have open a store like any other data: Zarr, xarray, tensorstore and h5py, without ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from stores.proofs.independent_writer import NAMES
from stores.support.small_store import identity_arrays

from dgkd_stores import GuideStore, convert

DIMENSIONS = NAMES | {"probe": ("pair", "digest_byte")}
OF_ONE = {
    **dict.fromkeys(("scale", "test_scale"), "uint8"),
    **dict.fromkeys(("basis", "bias"), "factored"),
    **dict.fromkeys(("index", "tail", "test_index", "test_tail"), "topk"),
}
"""Arrays that stores of one encoding alone have."""


def library(name: str) -> ModuleType:
    """The library, or a skip that says what was not tried."""
    return pytest.importorskip(
        name, reason=f"NOT TRIED: stores read by {name}, which is not installed (extra dev has it)"
    )


@pytest.fixture(params=["float32", "float16", "uint8", "factored", "topk"])
def small(request: pytest.FixtureRequest, recipe: Any, small_chunks: None) -> Any:
    return recipe(encoding=request.param, first_view=5)


@pytest.fixture(params=["none", "zstd", "blosc"])
def path(request: pytest.FixtureRequest, small: Any, tmp_path: Path) -> Path:
    """A finished store of several chunks a view, the last of them padded."""
    assert small.write(tmp_path / "a.zarr", codec=request.param)
    return tmp_path / "a.zarr"


def stored(path: Path, small: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The row arrays by our reader [views, samples, columns], and the other arrays that it shows."""
    with GuideStore.open(path) as store:
        views, samples = np.repeat(np.arange(5, 8), 50), np.tile(np.arange(50), 3)
        rows = store.gather_stored(views, samples)
        return {
            **{name: array.reshape(3, 50, -1) for name, array in rows.items()},
            **identity_arrays(store),
        }


def names(small: Any) -> set[str]:
    return {name for name in DIMENSIONS if OF_ONE.get(name, small.encoding) == small.encoding}


def dimensions(name: str, small: Any) -> tuple[str, ...]:
    found = DIMENSIONS[name]
    third = {"factored": "component", "topk": "entry"}.get(small.encoding)
    return (*found[:-1], third) if "logits" in name and third else found


def columns(small: Any) -> int:
    """The elements of `logits` in a row."""
    return 6 if small.encoding in ("factored", "topk") else 7


def same(found: Any, expected: np.ndarray[Any, Any]) -> bool:
    found = np.asarray(found)
    return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()


def decoded(small: Any, read: Callable[[str], Any]) -> np.ndarray[Any, Any]:
    """Softened logits as the page says, from whatever a library gives for the name of an array."""
    logits = np.asarray(read("logits"), dtype=np.float32)
    if small.encoding == "topk":  # all classes but one, whose logit is its own log-sum-exp
        index, tail = np.asarray(read("index")), np.asarray(read("tail"))
        rows = np.repeat(tail[..., :1], 7, axis=-1)
        for at in np.ndindex(index.shape):
            rows[(*at[:-1], index[at])] = logits[at]
        return rows
    if small.encoding == "factored":
        return logits @ small.shared["basis"].T + small.shared["bias"]
    if small.encoding != "uint8":
        return logits
    scale = np.asarray(read("scale"))
    return logits * scale[..., :1] + scale[..., 1:]


def check_rows(small: Any, read: Callable[[str], Any]) -> None:
    """Near what was given to the writer: exact, a half's rounding, or half a level of 256."""
    given = np.stack([small.logits(view) for view in range(5, 8)])
    bound = {"float16": 2e-3, "uint8": 0.02}.get(small.encoding, 0)
    assert np.abs(decoded(small, read) - given).max() <= bound


def test_xarray(path: Path, small: Any) -> None:
    xarray = library("xarray")
    with xarray.open_zarr(path, consolidated=False) as data:
        assert not data.coords, "no array is taken for a coordinate"
        assert set(data.data_vars) == names(small)
        assert {name: data[name].dims for name in names(small)} == {
            name: dimensions(name, small) for name in names(small)
        }
        for name, expected in stored(path, small).items():
            assert same(data[name].values, expected), name
        with GuideStore.open(path) as store:
            assert data.attrs["dgkd_seal"] == store.seal and data.attrs["dgkd"] == store.header.to_dict()
        check_rows(small, lambda name: data[name].values)
        third = dimensions("logits", small)[2]
        assert data["logits"].isel(view=1).sel({third: 2}).shape == (50,)


def test_tensorstore(path: Path, small: Any) -> None:
    tensorstore = library("tensorstore")

    def opened(name: str) -> Any:
        place = {"driver": "file", "path": f"{path / name}/"}
        return tensorstore.open({"driver": "zarr3", "kvstore": place}, open=True, read=True).result()

    for name, expected in stored(path, small).items():
        array = opened(name)
        assert array.domain.labels == dimensions(name, small)
        assert same(array.read().result(), expected), name
    check_rows(small, lambda name: opened(name).read().result())
    assert opened("logits")[1, 10:14].read().result().shape == (4, columns(small))


def test_zarr(path: Path, small: Any) -> None:
    zarr = library("zarr")
    group = zarr.open_group(path, mode="r")
    assert set(group.array_keys()) == names(small)
    for name, expected in stored(path, small).items():
        assert same(group[name][...], expected), name
    check_rows(small, lambda name: group[name][...])


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_h5py(small: Any, tmp_path: Path, codec: str) -> None:
    h5py = library("h5py")
    small.write(tmp_path / "a.zarr")
    seal = convert(tmp_path / "a.zarr", tmp_path / "a.h5", codec=codec).seal
    with h5py.File(tmp_path / "a.h5") as file:
        assert set(file) == names(small) | {"dgkd", "dgkd_digests", "dgkd_seal"}
        for name, expected in stored(tmp_path / "a.h5", small).items():
            assert same(file[name][...], expected), name
        assert file["logits"][0, :10].shape == (10, columns(small))
        assert file["dgkd_seal"][...].tobytes().hex() == seal
        check_rows(small, lambda name: file[name][...])
