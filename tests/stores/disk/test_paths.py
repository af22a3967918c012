"""A path or a name, a file or a folder: told from the text alone, and from what lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_stores.disk.paths import as_store_path, names_hdf5


@pytest.mark.parametrize("text", ["ta1.h5", "ta1.H5", "ta1.hdf5", "a/ta1.Hdf5"])
def test_an_hdf5_file_by_its_name(text: str) -> None:
    assert names_hdf5(text) and as_store_path(text) == Path(text)


@pytest.mark.parametrize("text", ["ta1.zarr", "ta1.ZARR", "./ta1", "runs/ta1", "/ta1"])
def test_a_path_by_its_name(text: str) -> None:
    assert not names_hdf5(text) and as_store_path(text) == Path(text)


def test_the_home_folder_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert as_store_path("~/ta1") == Path("/home/somebody/ta1")


def test_a_name_is_a_path_where_a_store_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file", "folder", "store", "older", "link"):
        (tmp_path / name).touch() if name == "file" else (tmp_path / name).mkdir()
    (tmp_path / "store" / "zarr.json").touch()
    (tmp_path / "older" / ".zgroup").touch()
    (tmp_path / "link" / "zarr.json").symlink_to("nowhere")
    found = {name: as_store_path(name) for name in ("file", "folder", "store", "older", "link", "ta1", "ta1-40-60")}
    assert {name for name, path in found.items() if path} == {"store", "older", "link"}
