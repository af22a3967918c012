"""One writer for a view: a live holder is named, a dead one on this host taken over, another host's when told so."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from support.disk import watched
from support.dying import in_child
from support.holder import another_holder

from dgkd_stores import DgkdError, GuideStoreWriter, Locked, UnsafeStore
from dgkd_stores.disk.locks import ViewLock, sweep
from dgkd_stores.disk.owner import Owner


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process that holds views 0 to 9."""
    with another_holder(tmp_path / "a.zarr") as process:
        yield process


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


def disguise(lock: ViewLock | Path, **change: Any) -> dict[str, Any]:
    """Another owner in a lock that this process holds, or in its folder, as if that one had taken it; its owner."""
    place = (lock if isinstance(lock, Path) else lock.folder.parent) / "owner.json"
    owner: dict[str, Any] = json.loads(place.read_bytes())
    place.write_text(json.dumps({**owner, **change}))
    return owner


FAR = {"host": "far-away", "pid": 1, "boot": "x"}
HERE_IN_A_CONTAINER = {"pid": 1, "pid_namespace": "pid:[1]"}


@pytest.mark.parametrize(
    "change",
    [
        {"start": "1"},
        {"boot": "another boot"},
        {"boot": "another boot", **HERE_IN_A_CONTAINER},
        {"pid": 2**22 + 1},
        {"pid": 2**22 + 1, "more": 1},
    ],
)
def test_who_is_dead(tmp_path: Path, change: dict[str, Any]) -> None:
    store = tmp_path / "a.zarr"
    assert disguise(ViewLock(store, range(0, 3), guide="ta1"), **change) == vars(Owner.of(os.getpid()))
    ViewLock(store, range(0, 3), guide="ta1").release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (FAR, "process 1 on host far-away"),
        ({**FAR, "host": "far\x1b[31maway"}, r"process 1 on host far\S*away"),
        (HERE_IN_A_CONTAINER, f"process 1 on host {re.escape(socket.gethostname())}, in another container"),
    ],
)
def test_a_holder_elsewhere_is_taken_over_when_told_so(
    recipe: Any, tmp_path: Path, change: dict[str, Any], found: str
) -> None:
    store = tmp_path / "a.zarr"
    other = ViewLock(store, range(1, 3), guide="ta1")
    (other.folder / "logits.c.3.0.0.partial").write_bytes(b"half")
    disguise(other, **change)
    beside = ViewLock(store, range(3, 4), guide="ta1")
    disguise(beside, **change)
    for holder in (lambda: ViewLock(store, range(0, 3), guide="ta1"), lambda: recipe().write(store)):
        with pytest.raises(Locked, match=f"views 1 to 2 of .*: expected .*, found {found};") as caught:
            holder()
        assert caught.value.exit_code == 11 and "\x1b" not in str(caught.value)
        assert "run `dgkd-cache dump --model ta1 --take-over`, with that dump's other options" in caught.value.do
    assert recipe().write(store, take_over=True)
    # What no view of ours is in stays its holder's.
    assert [path.name for path in (tmp_path / "a.zarr.writing").iterdir()] == ["views-3-3"]


@pytest.mark.parametrize("take_over", [False, True])
def test_a_live_holder_of_another_version_is_never_taken_over(holder: Any, tmp_path: Path, take_over: bool) -> None:
    """On one shared disk, and here: its owner.json says more than ours."""
    (place,) = tmp_path.glob("a.zarr.writing/views-0-9/owner.json")
    place.write_text(json.dumps({**json.loads(place.read_bytes()), "more": {"than": ["ours"]}}))
    with pytest.raises(Locked, match=f"found process {holder.pid} on host"):
        ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1", take_over=take_over)
    sweep(tmp_path / "a.zarr", take_over=take_over)
    assert list(tmp_path.glob("a.zarr.writing/views-0-9/*/logits.c.3.0.0.partial"))


def unknown_owners() -> dict[str, Any]:
    """What another version may leave in place of an owner.json of ours; bytes, or the change of an object."""
    return {
        "too large": b" " * 4097,
        "binary": b"\xff\xfe",
        "nothing in it": b"",
        "nested": b"[" * 4000,
        "a list": b"[]",
        "no object": b"1",
        "a link": "owner.txt",
        "a folder": ...,
        **{f"no {name}": {name: None} for name in ("host", "pid", "boot", "pid_namespace")},
        "pid as text": {"pid": "1"},
        "pid as a boolean": {"pid": True},
        "pid of all processes": {"pid": -1},
        "a huge pid": {"pid": 2**80},
        "a boot number": {"boot": 7},
    }


@pytest.mark.parametrize("kind", unknown_owners())
def test_an_owner_that_cannot_be_read_is_taken_over_when_told_so(tmp_path: Path, kind: str) -> None:
    store, content = tmp_path / "a.zarr", unknown_owners()[kind]
    lock = ViewLock(store, range(0, 3), guide="ta1")
    place = lock.folder.parent / "owner.json"
    if isinstance(content, dict):
        disguise(lock, **content)
    elif isinstance(content, bytes):
        place.write_bytes(content)
    else:
        place.unlink()
        place.mkdir() if content is ... else place.symlink_to(content)
    with pytest.raises(Locked, match="views 0 to 2 of .*--take-over"):
        ViewLock(store, range(2, 4), guide="ta1")
    sweep(store)
    assert lock.folder.is_dir()
    ViewLock(store, range(2, 4), guide="ta1", take_over=True).release()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_of_unknown_start_is_dead_when_its_number_is_free(holder: Any, tmp_path: Path) -> None:
    (place,) = tmp_path.glob("a.zarr.writing/views-0-9/owner.json")
    place.write_text(json.dumps({**json.loads(place.read_bytes()), "start": None}))
    with pytest.raises(Locked, match=f"found process {holder.pid} on host"):
        ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1", take_over=True)
    holder.kill()
    holder.wait()
    ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1").release()
    assert list(tmp_path.iterdir()) == []


def test_a_live_process_of_this_host_is_never_taken_over(holder: Any, tmp_path: Path) -> None:
    with pytest.raises(Locked, match=f"found process {holder.pid} on host") as caught:
        ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1", take_over=True)
    assert caught.value.do == "wait for it"
    assert list(tmp_path.glob("a.zarr.writing/views-0-9/*/logits.c.3.0.0.partial"))


def test_a_live_process_of_another_user_is_never_taken_over(
    holder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hidepid, /proc does not show it; that its number is in use is all that can be known."""

    def hidden(path: Path, *args: Any, **kwargs: Any) -> str:
        if path == Path(f"/proc/{holder.pid}/stat"):
            raise FileNotFoundError(path)
        return really(path, *args, **kwargs)

    def not_permitted(pid: int, signal: int) -> None:
        raise PermissionError

    really = Path.read_text
    with monkeypatch.context() as patch, pytest.raises(Locked, match=f"found process {holder.pid} on host"):
        patch.setattr(Path, "read_text", hidden)
        patch.setattr(os, "kill", not_permitted)
        ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1", take_over=True)


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


def test_a_holder_that_was_taken_over_publishes_nothing_more(recipe: Any, read_tree: Any, tmp_path: Path) -> None:
    """Two writers of the same views, because somebody was wrong about one."""
    small, store = recipe(), tmp_path / "a.zarr"
    whole = small.write(tmp_path / "whole.zarr")
    with GuideStoreWriter(store, small.header, small.identity) as first:
        slots = list(first.missing())
        first.write(slots[0], small.logits(slots[0].view))
        # This process stands for two: the other host is the one of the lock that is taken over.
        disguise(tmp_path / "a.zarr.writing" / "views-0-2", **FAR)
        with GuideStoreWriter(store, small.header, small.identity, take_over=True) as second:
            with pytest.raises(Locked, match="views 0 to 2 of .*a.zarr were taken over.*found that of process"):
                first.write(slots[1], small.logits(slots[1].view))
            first.close()
            (place,) = (tmp_path / "a.zarr.writing").iterdir()
            assert sorted(one.is_dir() for one in place.iterdir()) == [False, True], "the lock is the other's now"
            assert list(second.missing()) == slots[1:]
            for slot in slots[1:]:
                second.write(slot, small.logits(slot.view))
            assert second.seal() == whole
    assert read_tree(store) == read_tree(tmp_path / "whole.zarr")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zarr", "whole.zarr"}


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
def test_taken_over_within_one_file(recipe: Any, tmp_path: Path, call: str) -> None:
    """Both write the same file of the same name: what the first has begun never gets into the store."""
    small, store = recipe(), tmp_path / "a.zarr"
    with GuideStoreWriter(store, small.header, small.identity) as first, contextlib.ExitStack() as then:
        slot = next(first.missing())
        disguise(tmp_path / "a.zarr.writing" / "views-0-2", **FAR)

        def taken_over(name: str, path: Path) -> None:
            if name == call and path.name.startswith("logits.c" if call != "replace" else "c."):
                if not takers:
                    takers.append(ViewLock(store, range(0, 3), guide="ta1", take_over=True))
                    then.enter_context(takers[0])
                    (takers[0].folder / "logits.c.0.0.0.partial").write_bytes(b"half")

        takers: list[ViewLock] = []
        with watched(taken_over), pytest.raises(Locked, match="were taken over"):
            first.write(slot, small.logits(0))
        assert takers and [path.name for path in (store / "logits").iterdir()] == ["zarr.json"]
        assert (takers[0].folder / "logits.c.0.0.0.partial").read_bytes() == b"half"


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
