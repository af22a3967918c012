"""A folder as a place: objects appear whole and are never replaced, and nothing else lies there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.unprivileged import open_folder, refused_permission

from dgkd_stores import Locked, NoPermission, UnsafeStore, pull, push, subset
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.sharing.folder import Folder
from dgkd_stores.sharing.remote import Changed
from dgkd_stores.sharing.signatures import sign_store


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


def test_a_place_that_may_not_be_read(path: Path) -> None:
    with open_folder() as folder:
        push(path, str(folder / "place"))
        for barred in ("place", "place/a.zarr", "place/a.zarr/logits"):
            (folder / barred).chmod(0o000)
            said = refused_permission(lambda: pull(str(folder / "place"), folder / "got"))
            assert said.startswith("1 ") and "may not be read" in said and f"a+rX {folder / barred}`" in said
            (folder / barred).chmod(0o755)


@pytest.mark.parametrize("verb", ["push", "pull", "sign", "subset"])
def test_where_nobody_may_write(path: Path, verb: str, new_key: Callable[..., Path]) -> None:
    with open_folder() as folder:
        barred, key = folder / "in", folder / "key"
        push(path, str(folder / "place"))
        shutil.copytree(path, barred / "a.zarr")
        key.write_bytes(new_key("lab").read_bytes())
        key.chmod(0o644)
        barred.chmod(0o555)
        other = folder / "place" / "a.zarr"
        verbs: dict[str, Callable[[], object]] = {
            "push": lambda: push(other, str(barred / "new")),
            "pull": lambda: pull(str(folder / "place"), barred / "b.zarr"),
            "sign": lambda: sign_store(barred / "a.zarr", key),
            "subset": lambda: subset(barred / "a.zarr", barred / "b.zarr", views=range(1)),
        }
        said = refused_permission(verbs[verb])
        assert said.startswith("1 ") and "may not be written: expected permission to write it" in said
        assert f"in {barred}; give another path" in said


def test_a_read_only_disk_and_errors_of_another_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_only = OSError(errno.EROFS, "Read-only file system", str(tmp_path / "a.zarr.writing"))
    with pytest.raises(PermissionError) as other, full_disk(tmp_path / "a.zarr"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x"))
    assert not isinstance(other.value, NoPermission), "the folder is writable: that was something else"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(NoPermission, match=f"file system in {tmp_path}; give another path$"):
        with full_disk(tmp_path / "a.zarr"):
            raise read_only


def test_a_store_that_is_a_link(place: Path, tmp_path: Path) -> None:
    os.rename(place / "a.zarr", tmp_path / "elsewhere.zarr")
    os.symlink(tmp_path / "elsewhere.zarr", place / "a.zarr")
    for source in (place, place / "a.zarr"):
        assert pull(str(source), tmp_path / f"got-{source.name}").fetched_files


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    os.symlink(tmp_path / "secret", tmp_path / "a")
    with pytest.raises(UnsafeStore):
        Folder(tmp_path).read("a")
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path).read("nothing")
