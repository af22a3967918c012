"""A folder as a place: objects appear whole and are never replaced, and nothing else lies there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dgkd_stores import Locked, UnsafeStore
from dgkd_stores.sharing.folder import Folder
from dgkd_stores.sharing.remote import Changed


def test_create_list_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new")
    assert folder.names("a.zarr/") == {}
    with folder.publishing("a.zarr"):
        assert folder.create("a.zarr/x/c.0", b"12345")
        assert not folder.create("a.zarr/x/c.0", b"67890")
        folder.replace("README.md", b"1")
        folder.replace("README.md", b"22")
    assert sorted(os.listdir(tmp_path / "new")) == ["README.md", "a.zarr"]
    assert {name: found.size for name, found in folder.names("").items()} == {"README.md": 2, "a.zarr/x/c.0": 5}
    assert set(folder.names("README.md")) == {"README.md"}
    reading = folder.read("a.zarr/x/c.0", start=1, stop=4)
    assert (reading.found.size, b"".join(reading.pieces)) == (5, b"234")
    assert b"".join(folder.read("a.zarr/x/c.0").pieces) == b"12345"


def test_another_content_is_another_object(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "a").write_bytes(b"1")
    tag = folder.read("a").found.tag
    assert folder.read("a", tag=tag)
    (tmp_path / "b").write_bytes(b"2")
    os.replace(tmp_path / "b", tmp_path / "a")
    with pytest.raises(Changed):
        folder.read("a", tag=tag)


def test_only_one_publishes_at_a_time(tmp_path: Path) -> None:
    with Folder(tmp_path).publishing("a.zarr"), pytest.raises(Locked) as told, Folder(tmp_path).publishing("a.zarr"):
        pass
    assert told.value.exit_code == 11


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    os.symlink(tmp_path / "secret", tmp_path / "a")
    with pytest.raises(UnsafeStore):
        Folder(tmp_path).read("a")
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path).read("nothing")
