"""Locks whose holder this host cannot know to be alive: taken over when told so, and never from a live process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from support.disk import watched
from support.holder import FAR, disguise

from dgkd_stores import GuideStoreWriter, Locked
from dgkd_stores.disk.locks import ViewLock, sweep
from dgkd_stores.disk.owner import Owner

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
    """Contents that another version may leave in place of an owner.json of ours; bytes, or the change of an object."""
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
