"""Stores in the hands of zarr, xarray and h5py: the values that were written, and nothing that is not whole."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import Damaged, GuideStore, Incomplete, InvalidInput, Mismatch, UnsafeStore, convert, read_header

CALLS = ["to_zarr", "to_xarray", "to_h5py"]
FOLDERS = ["to_zarr", "to_xarray"]


@pytest.fixture
def small(recipe: Any, small_chunks: None) -> Any:
    return recipe(first_view=5)


@pytest.fixture
def folder(small: Any, tmp_path: Path) -> Path:
    small.write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def store_for(call: str, folder: Path) -> GuideStore:
    """The store of the folder, opened, in the form that the call is for."""
    if call == "to_h5py":
        convert(folder, folder.with_suffix(".h5"))
        return GuideStore.open(folder.with_suffix(".h5"))
    return GuideStore.open(folder)


def opened(call: str, store: GuideStore, **how: Any) -> Any:
    pytest.importorskip({"to_xarray": "xarray"}.get(call, call.removeprefix("to_")))
    return getattr(store, call)(**how)


def damage(path: Path, rows: bytes) -> None:
    """Change one byte of these rows, wherever the store has them."""
    files = [path] if path.is_file() else [file for file in (path / "logits").iterdir() if file.name != "zarr.json"]
    (file,) = [file for file in files if rows in file.read_bytes()]
    file.write_bytes(file.read_bytes().replace(rows, bytes([rows[0] ^ 1]) + rows[1:]))


@pytest.mark.parametrize("call", CALLS)
def test_values_are_those_that_were_written(call: str, folder: Path, small: Any) -> None:
    handed = opened(call, store_for(call, folder))
    logits_VNC = np.stack([small.logits(view) for view in range(5, 8)])
    assert (np.asarray(handed["logits"][...]) == logits_VNC).all()
    assert (np.asarray(handed["label"][...]) == small.identity.label_N).all()
    assert (np.asarray(handed["logits"][1, 10:20]) == logits_VNC[1, 10:20]).all()


def test_dimensions_have_names(folder: Path) -> None:
    store = GuideStore.open(folder)
    assert opened("to_zarr", store)["logits"].metadata.dimension_names == ("view", "sample", "class")
    data = opened("to_xarray", store)
    assert data["logits"].dims == ("view", "sample", "class") and data["label"].dims == ("sample",)
    assert data.attrs["dgkd_seal"] == store.seal


@pytest.mark.parametrize("call", ["to_zarr", "to_h5py"])
def test_nothing_can_be_written(call: str, folder: Path, read_tree: Any) -> None:
    store = store_for(call, folder)
    before = read_tree(folder.parent)
    handed = opened(call, store)
    with pytest.raises((ValueError, OSError), match=r"read.only|no write intent|Can't (synchronously )?write"):
        handed["label"][0] = 1
    assert read_tree(folder.parent) == before


@pytest.mark.parametrize("call", CALLS)
def test_damage_is_found_before_a_library_sees_it(call: str, folder: Path, small: Any) -> None:
    store = store_for(call, folder)
    damage(store.path, small.logits(6)[17].tobytes())
    with pytest.raises(Damaged, match="expected a store without damage, found digest: .*; `dgkd-cache verify --full"):
        opened(call, store)
    with pytest.warns(UserWarning, match="are not checked against their digests"):
        handed = opened(call, store, verify=False)
    assert (np.asarray(handed["logits"][1, 16]) == small.logits(6)[16]).all()
    assert (np.asarray(handed["logits"][1, 17]) != small.logits(6)[17]).sum() == 1


@pytest.mark.parametrize("call", FOLDERS)
@pytest.mark.parametrize("verify", [True, pytest.param(False, marks=pytest.mark.filterwarnings("ignore:to_"))])
def test_what_does_not_belong_is_refused(call: str, verify: bool, folder: Path) -> None:
    store = GuideStore.open(folder)
    (folder / "more").mkdir()
    with pytest.raises(UnsafeStore, match="more"):
        opened(call, store, verify=verify)


@pytest.mark.filterwarnings("ignore:to_")
def test_h5py_gets_no_file_that_the_reader_refuses(folder: Path) -> None:
    store = store_for("to_h5py", folder)
    store.path.write_bytes(store.path.read_bytes()[:-8])
    for verify in (True, False):
        with pytest.raises(Damaged):
            store.to_h5py(verify=verify)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("verify", [True, pytest.param(False, marks=pytest.mark.filterwarnings("ignore:to_"))])
def test_another_store_in_its_place(call: str, verify: bool, folder: Path, recipe: Any, tmp_path: Path) -> None:
    store = store_for(call, folder)
    other = recipe(first_view=6)
    other.write(tmp_path / "other.zarr")
    if store.kind == "hdf5":
        store.path.unlink()
        convert(tmp_path / "other.zarr", store.path)
    else:
        shutil.rmtree(folder)
        (tmp_path / "other.zarr").rename(folder)
    found = read_header(store.path).seal
    with pytest.raises(Mismatch, match=f"expected seal {store.seal}, found seal {found}; open it again"):
        opened(call, store, verify=verify)


@pytest.mark.parametrize(("call", "found"), [("to_zarr", "an HDF5"), ("to_h5py", "a Zarr")])
@pytest.mark.parametrize("verify", [True, pytest.param(False, marks=pytest.mark.filterwarnings("ignore:to_"))])
def test_the_same_store_in_the_other_container_in_its_place(call: str, found: str, verify: bool, folder: Path) -> None:
    store = store_for(call, folder)
    convert(folder, folder.with_name("b.h5"))
    taken = folder.with_name("b.h5") if call == "to_zarr" else folder
    store.path.rename(folder.with_name("away"))
    taken.rename(store.path)
    with pytest.raises(Mismatch, match=f"is not the store that was opened: expected a.*, found {found} f"):
        opened(call, store, verify=verify)


@pytest.mark.parametrize("call", FOLDERS)
def test_an_unfinished_store(call: str, small: Any, tmp_path: Path) -> None:
    small.write(tmp_path / "b.zarr", chunks=3)
    store = GuideStore.open(tmp_path / "b.zarr", allow_incomplete=True)
    with pytest.raises(Incomplete, match="read as fill values; finish it"):
        opened(call, store)
    with pytest.warns(UserWarning, match="missing ones as fill values"):
        handed = opened(call, store, verify=False)
    assert np.isnan(np.asarray(handed["logits"][2])).all()


def test_the_other_container(folder: Path) -> None:
    file = store_for("to_h5py", folder)
    for call in FOLDERS:
        with pytest.raises(
            InvalidInput, match="expected a Zarr folder, found an HDF5 file; `dgkd-cache import .*a.h5 --"
        ):
            getattr(file, call)()
    with pytest.raises(InvalidInput, match="expected an HDF5 file, found a Zarr folder; `dgkd-cache export .*a.zarr"):
        GuideStore.open(folder).to_h5py()
    with pytest.raises(InvalidInput, match="True or False"):
        file.to_h5py(verify="no")  # type: ignore[arg-type]  # what the test is about


def test_without_xarray(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InvalidInput, match=r'xarray is not installed.*run: pip install "dgkd-cache\[xarray\]"'):
        GuideStore.open(folder).to_xarray()


def test_nothing_else_loads_them(folder: Path) -> None:
    names = "[name for name in ('zarr', 'xarray', 'h5py') if name in sys.modules]"
    code = (
        "import json, sys; from dgkd_stores import GuideStore, verify; store = GuideStore.open(sys.argv[1]); "
        f"store.gather([5], [0]); verify(sys.argv[1], full=True); print(json.dumps({names}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
