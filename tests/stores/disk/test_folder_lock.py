"""Waiting for a folder that another process has locked: announced, stoppable, and never needed for leaving."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import GuideStoreWriter, Interrupted
from dgkd_stores.disk.folder_lock import folder_lock
from dgkd_stores.disk.locks import ViewLock, sweep
from dgkd_stores.writing.repair import StoreRepair


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Held by another open file, as by another process: flock tells open files apart, not processes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses so far; none of them takes time."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


def test_waiting_is_announced_once_and_can_be_stopped(
    tmp_path: Path, slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    said_after: list[float] = []

    def stop() -> bool:
        if caplog.messages and not said_after:
            said_after.append(sum(slept))
        return sum(slept) > 60

    with locked(tmp_path), pytest.raises(Interrupted, match="stopped while waiting for .*nothing was begun") as caught:
        with folder_lock(tmp_path, stop=stop):
            pytest.fail("two held it")
    assert caught.value.exit_code == 130
    (said,) = caplog.messages
    assert said.startswith(f"waiting for {tmp_path}: another process has locked it") and "Ctrl-C" in said
    assert 1 <= said_after[0] < 1.3 and max(slept) <= 0.1


def test_a_short_wait_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    with contextlib.ExitStack() as held:
        held.enter_context(locked(tmp_path))
        monkeypatch.setattr("time.sleep", lambda pause: held.close() if sum(pauses) > 0.5 else pauses.append(pause))
        with folder_lock(tmp_path):
            assert pauses
    assert caplog.messages == []


def test_every_way_to_a_lock_can_be_stopped(recipe: Any, tmp_path: Path, slept: list[float]) -> None:
    small, store = recipe(), tmp_path / "a.zarr"
    small.write(store)
    before = sorted(str(path) for path in tmp_path.rglob("*"))

    def stop() -> bool:
        return sum(slept) > 3

    ways = {
        "lock": lambda: ViewLock(store, range(3), guide="ta1", stop=stop),
        "sweep": lambda: sweep(store, stop=stop),
        "write": lambda: GuideStoreWriter(tmp_path / "b.zarr", small.header, small.identity, stop=stop),
        "repair": lambda: StoreRepair(store, stop=stop),
    }
    for way in ways.values():
        slept.clear()
        with locked(tmp_path), pytest.raises(Interrupted, match="stopped while waiting"):
            way()
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_holder_leaves_whoever_has_the_folder(tmp_path: Path, slept: list[float]) -> None:
    lock = ViewLock(tmp_path / "a.zarr", range(3), guide="ta1")
    with locked(tmp_path):
        lock.release()
    assert list(tmp_path.iterdir()) == [] and 2 <= sum(slept) < 3


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Ours is the flock that other programs see."""
    code = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with folder_lock(tmp_path):
        tried = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "BlockingIOError" in tried.stderr
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0
