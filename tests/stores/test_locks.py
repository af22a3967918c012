"""One writer for a view: a live holder is named, a dead one on this host taken over, another host's never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import GuideStoreWriter, StoreLocked
from dgkd_stores.locks import Owner, ViewLock

HOLD = """
import sys, time
from pathlib import Path
from dgkd_stores.locks import ViewLock
lock = ViewLock(Path(sys.argv[1]), range(0, 10))
(lock.folder / "logits.c.3.0.0.partial").write_bytes(b"half")
print("held", flush=True)
time.sleep(300)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process that holds views 0 to 9."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "a.zarr")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_live_holder_is_named(holder: Any, recipe: Any, tmp_path: Path) -> None:
    for views in (range(9, 20), range(0, 1), range(2, 5), range(0, 100)):
        with pytest.raises(StoreLocked, match=f"views 0 to 9 of .*found process {holder.pid} on host .*wait") as caught:
            ViewLock(tmp_path / "a.zarr", views)
        assert caught.value.exit_code == 11
    with pytest.raises(StoreLocked, match=f"process {holder.pid}"):
        recipe().write(tmp_path / "a.zarr")
    with ViewLock(tmp_path / "a.zarr", range(10, 20)):
        pass
    assert [path.name for path in (tmp_path / "a.zarr.writing").iterdir()] == ["views-0-9"]


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
        with pytest.raises(StoreLocked, match=f"found process {os.getpid()} on host"):
            GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity, views=range(2, 3))
        assert next(writer.missing())
    assert small.write(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({}, False),
        ({"start": "1"}, True),
        ({"boot": "another boot"}, True),
        ({"pid": 2**22 + 1}, True),
        ({"host": "far-away", "pid": 1, "boot": "x"}, False),
        ({"host": "far\x1b[31maway", "pid": 1}, False),
        ({"pid": "1"}, True),
        ({"more": 1}, True),
    ],
)
def test_who_is_dead(tmp_path: Path, change: dict[str, Any], dead: bool) -> None:
    store = tmp_path / "a.zarr"
    lock = ViewLock(store, range(0, 3))
    owner = json.loads((lock.folder / "owner.json").read_bytes())
    assert owner == vars(Owner.of(os.getpid()))
    (lock.folder / "owner.json").write_text(json.dumps({**owner, **change}))
    if dead:
        ViewLock(store, range(0, 3)).release()
        assert not (tmp_path / "a.zarr.writing").exists()
    else:
        with pytest.raises(StoreLocked) as caught:
            ViewLock(store, range(0, 3))
        assert "\x1b" not in str(caught.value) and f"remove {lock.folder}" in caught.value.do


def test_what_never_became_a_lock_is_swept(tmp_path: Path) -> None:
    (tmp_path / "a.zarr.writing" / "new-1234").mkdir(parents=True)
    (tmp_path / "a.zarr.writing" / "views-0-2").mkdir()
    ViewLock(tmp_path / "a.zarr", range(0, 3)).release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_released_by_its_holder_once(tmp_path: Path) -> None:
    first = ViewLock(tmp_path / "a.zarr", range(0, 3))
    first._holder += 1  # As in a forked child.
    first.release()
    assert (first.folder / "owner.json").exists()
    first._holder -= 1
    first.release()
    second = ViewLock(tmp_path / "a.zarr", range(0, 3))
    first.release()
    assert (second.folder / "owner.json").exists()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_without_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refused)
    with ViewLock(tmp_path / "a.zarr", range(0, 3)), pytest.raises(StoreLocked):
        ViewLock(tmp_path / "a.zarr", range(2, 5))
    assert list(tmp_path.iterdir()) == []
