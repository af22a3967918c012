"""One writer for a view: a live holder is named, a dead one on this host taken over, and nothing else is removed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from support.dying import in_child
from support.holder import FAR, disguise

from dgkd_stores import DgkdError, GuideStoreWriter, Locked, UnsafeStore
from dgkd_stores.disk.locks import ViewLock, sweep


def test_a_live_holder_is_named(holder: Any, recipe: Any, tmp_path: Path) -> None:
    for views in (range(9, 20), range(0, 1), range(2, 5), range(0, 100)):
        with pytest.raises(Locked, match=f"views 0 to 9 of .*found process {holder.pid} on host .*wait") as caught:
            ViewLock(tmp_path / "a.zarr", views, guide="ta1")
        assert caught.value.exit_code == 11
    with pytest.raises(Locked, match=f"process {holder.pid}"):
        recipe().write(tmp_path / "a.zarr")
    with ViewLock(tmp_path / "a.zarr", range(10, 20), guide="ta1"):
        pass
    assert [path.name for path in (tmp_path / "a.zarr.writing").iterdir()] == ["views-0-9"]


@pytest.mark.parametrize("what", ["a file", "a pipe", "a link", "a link to nowhere"])
def test_what_is_in_the_way_is_refused_and_left(recipe: Any, tmp_path: Path, what: str) -> None:
    store, elsewhere = tmp_path / "a.zarr", tmp_path / "elsewhere"
    (elsewhere / "gone-1").mkdir(parents=True)
    place = tmp_path / "a.zarr.writing"
    if what == "a file":
        place.write_text("mine")
    elif what == "a pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("nowhere" if "nowhere" in what else "elsewhere")
    found = "a link" if "link" in what else "another kind of file"
    says = f"{re.escape(str(place))} is in the way .*: expected a folder, or nothing, found {found}; remove it"
    for attempt in (lambda: ViewLock(store, range(3), guide="ta1"), lambda: sweep(store)):
        with pytest.raises(UnsafeStore, match=says) as caught:
            attempt()
        assert caught.value.exit_code == 15
    assert os.path.lexists(place) and os.listdir(elsewhere) == ["gone-1"]
    place.unlink()
    assert recipe().write(store)


@pytest.mark.parametrize("reaped", [True, False])
def test_a_dead_holder_is_taken_over(holder: Any, recipe: Any, tmp_path: Path, reaped: bool) -> None:
    holder.send_signal(signal.SIGKILL)
    # Unreaped it is a zombie: its number still answers to signals.
    os.waitid(os.P_PID, holder.pid, os.WEXITED | (0 if reaped else os.WNOWAIT))
    assert recipe().write(tmp_path / "a.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_the_same_process_twice(recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    with GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity) as writer:
        with pytest.raises(Locked, match=f"found process {os.getpid()} on host"):
            GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity, views=range(2, 3))
        assert next(writer.missing())
    assert small.write(tmp_path / "a.zarr")


def test_a_lock_that_cannot_be_read_is_not_void(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1")

    def denied(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("owner.json") and not flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, flags, *args, **kwargs)

    really = os.open
    with monkeypatch.context() as patch, pytest.raises(PermissionError, match="views-0-2/owner.json"):
        patch.setattr(os, "open", denied)
        ViewLock(tmp_path / "a.zarr", range(0, 2), guide="ta1", take_over=True)
    assert lock.folder.exists()


def test_what_was_left_beside_a_finished_store_is_swept(recipe: Any, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    assert recipe().write(store)
    disguise(ViewLock(store, range(0, 1), guide="ta1"), start="1")
    disguise(ViewLock(store, range(1, 2), guide="ta1"), **FAR)
    (tmp_path / "a.zarr.writing" / ("new-" + "1" * 32)).mkdir()
    disguise(left := ViewLock(store, range(2, 3), guide="ta1"), **FAR)
    place = left.folder.parent
    place.rename(place.with_name("gone-" + "1" * 32))  # By a sweep that was killed.
    sweep(store)
    assert [path.name for path in (tmp_path / "a.zarr.writing").iterdir()] == ["views-1-1"]
    sweep(store, take_over=True)
    sweep(store)
    assert list(tmp_path.iterdir()) == [store]


def test_what_never_became_a_lock_is_swept(tmp_path: Path) -> None:
    (tmp_path / "a.zarr.writing" / ("new-" + "1" * 32)).mkdir(parents=True)
    (tmp_path / "a.zarr.writing" / "views-0-2").mkdir()
    (tmp_path / "a.zarr.writing" / ("new-" + "5" * 32)).mkdir()
    (tmp_path / "a.zarr.writing" / ("new-" + "5" * 32) / "owner.json").write_bytes(b'{"host": "cut')  # By a kill.
    ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1").release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_released_by_its_holder_once(tmp_path: Path) -> None:
    first = ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1")
    place = first.folder.parent
    assert in_child(first.release) == 0 and (place / "owner.json").exists()
    first.release()
    assert not place.exists()
    second = ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1")
    first.release()
    assert (place / "owner.json").exists()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_without_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refused)
    with ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1"), pytest.raises(Locked):
        ViewLock(tmp_path / "a.zarr", range(2, 5), guide="ta1")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_removed_that_is_not_a_lock(tmp_path: Path, recipe: Any) -> None:
    """A folder of the user's may have that very name, with anything in it, links to other folders included."""
    precious = tmp_path / "home"
    (precious / "thesis").mkdir(parents=True)
    (precious / "thesis" / "chapter").write_text("precious")
    folder = tmp_path / "a.zarr.writing"
    folder.mkdir()
    for name in ("views-0-2", "views-7-9", "new-" + "0" * 32, "gone-" + "0" * 32, "link"):
        (folder / name).symlink_to(precious)
    for name in ("run", "new", "gone-x", "views", "views-0-2x", ".views-0-2", "notes"):
        (folder / name).mkdir()
        (folder / name / "file").write_text("mine")
    (folder / "letter").write_text("mine")
    (folder / "views-3-4").write_text("mine")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    sweep(tmp_path / "a.zarr", take_over=True)
    with contextlib.suppress(DgkdError, OSError):
        ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1", take_over=True).release()
    ViewLock(tmp_path / "a.zarr", range(20, 23), guide="ta1", take_over=True).release()
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
    assert (precious / "thesis" / "chapter").read_text() == "precious"
