"""The target of a conversion: what is there is never replaced, and what a killed one left is swept."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import (
    GuideStore,
    InvalidInput,
    Locked,
)
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock, writing_folder
from dgkd_stores.reading import reader
from dgkd_stores.writing.convert import convert

pytestmark = pytest.mark.usefixtures("small_chunks")


def unfinished(recipe: Any, path: Path) -> None:
    recipe().write(path, chunks=3)


def another(recipe: Any, path: Path) -> None:
    recipe(first_view=7).write(path)


def lossy(recipe: Any, path: Path) -> None:
    recipe().write(path)
    (path / "logits" / "c.0.0.0").unlink()


IN_THE_WAY: dict[str, Callable[[Any, Path], object]] = {
    "file": lambda recipe, path: path.write_text("mine"),
    "folder": lambda recipe, path: path.mkdir(),
    "full-folder": lambda recipe, path: (path.mkdir(), (path / "mine").write_text("")),
    "link": lambda recipe, path: path.symlink_to("nowhere"),
    "pipe": lambda recipe, path: os.mkfifo(path),
    "unfinished": unfinished,
    "another": another,
    "damaged": lossy,
    "codec": lambda recipe, path: recipe().write(path, codec="zstd"),
}


@pytest.mark.parametrize("what", IN_THE_WAY)
@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_whatever_else_is_there_is_never_replaced(
    recipe: Any, read_tree: Any, source: Path, tmp_path: Path, what: str, name: str
) -> None:
    (tmp_path / "place").mkdir()
    target = tmp_path / "place" / name
    IN_THE_WAY[what](recipe, target)
    before = {name: target.parent.joinpath(name).lstat() for name in os.listdir(target.parent)}
    with pytest.raises(InvalidInput, match="is there already and is left as it is: .* give another name") as caught:
        convert(source, target)
    assert caught.value.exit_code == 2
    assert {name: target.parent.joinpath(name).lstat().st_ino for name in os.listdir(target.parent)} == {
        name: status.st_ino for name, status in before.items()
    }


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
@pytest.mark.parametrize("linked", [True, False])
def test_what_comes_in_the_way_at_the_last_moment(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, linked: bool
) -> None:
    target = tmp_path / name
    really = reader.GuideStore.open

    def opened(path: Path, **how: Any) -> GuideStore:
        if ".writing" in str(path):
            target.write_text("mine")
        return really(path, **how)

    def no_links(*args: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(GuideStore, "open", opened)
    if not linked:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(InvalidInput, match="is there already"):
        convert(source, target)
    assert target.read_text() == "mine" and not writing_folder(target).exists()


def test_a_file_system_without_hard_links(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*args: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", no_links)
    convert(source, tmp_path / "a.h5")
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "source.zarr"]


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_two_at_once(source: Path, tmp_path: Path, name: str) -> None:
    with ViewLock(tmp_path / name, ALL_VIEWS, guide=""):
        with pytest.raises(Locked, match=f"all views of .*{name} are being written: .*wait for it"):
            convert(source, tmp_path / name)
    with ViewLock(tmp_path / name, range(9, 12), guide="ta1"), pytest.raises(Locked, match="views 9 to 11"):
        convert(source, tmp_path / name)
    convert(source, tmp_path / name)


@pytest.mark.parametrize(("name", "there"), [("a.zarr", "file"), ("a.zarr", "folder"), ("a.h5", "folder")])
def test_what_appears_in_the_last_moment_is_not_replaced(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, there: str
) -> None:
    """Between the look and the rename; a file is renamed where there are no second names."""
    target = tmp_path / name

    def appears(old: Any, new: Any) -> None:
        if new == target and there == "folder":
            target.mkdir()
            (target / "theirs").touch()
        elif new == target:
            target.write_bytes(b"theirs")
        really(old, new)

    def refused(old: Any, new: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    really = os.rename
    monkeypatch.setattr(os, "rename", appears)
    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(InvalidInput, match="is there already and is left as it is"):
        convert(source, target)
    assert target.read_bytes() == b"theirs" if there == "file" else os.listdir(target) == ["theirs"]
    assert sorted(os.listdir(tmp_path)) == sorted([name, "source.zarr"])


KILLED = """
import os, sys
from dgkd_stores import GuideStore, convert
really, opened = GuideStore.open, []
def kill_at_the_second(path, **how):
    opened.append(path)
    if len(opened) == 2:  # the source, then what was written of it
        os.kill(os.getpid(), 9)
    return really(path, **how)
GuideStore.open = kill_at_the_second
convert(sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_what_a_killed_one_leaves_is_swept(source: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    done = subprocess.run([sys.executable, "-c", KILLED, str(source), str(target)], check=False)
    assert done.returncode == -9 and not target.exists() and writing_folder(target).exists()
    convert(source, target)
    assert sorted(os.listdir(tmp_path)) == [name, "source.zarr"]
