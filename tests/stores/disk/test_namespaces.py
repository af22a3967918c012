"""Locks of processes in another container, or under another clock: nothing here tells if such a holder lives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.holder import another_holder

from dgkd_stores import Locked
from dgkd_stores.disk.locks import ViewLock, sweep
from dgkd_stores.disk.owner import Owner


def unshared(kind: str, *options: str) -> list[str]:
    """A command that runs something in a namespace of its own; skips, and says why, where that is not allowed."""
    if not shutil.which("unshare"):
        pytest.skip(f"no {kind} namespaces here: there is no unshare")
    words = ["unshare", "--map-root-user", *options]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no {kind} namespaces here: {tried.stderr.strip()}")
    return words


def test_a_live_process_of_another_container_is_not_taken_for_dead(recipe: Any, tmp_path: Path) -> None:
    """Its host name and boot id are ours, and its number is nobody's here, or somebody else's."""
    container = unshared("PID", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    with another_holder(tmp_path / "a.zarr", within=container):
        with pytest.raises(Locked, match="found process 1 on host .*, in another container; .*--take-over"):
            recipe().write(tmp_path / "a.zarr")
        assert list(tmp_path.glob("a.zarr.writing/views-0-9/*/logits.c.3.0.0.partial"))
    # Nothing here can tell that it died.
    with pytest.raises(Locked, match="in another container"):
        recipe().write(tmp_path / "a.zarr")
    assert recipe().write(tmp_path / "a.zarr", take_over=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_the_owner_says_whose_clock_its_start_is_of() -> None:
    assert Owner.of(os.getpid()).time_namespace == os.readlink("/proc/self/ns/time")


@pytest.mark.parametrize("earlier_version", [False, True])
def test_a_live_process_in_another_time_is_not_taken_for_dead(
    recipe: Any, tmp_path: Path, earlier_version: bool
) -> None:
    """Its number counts here, but /proc says another start of it than it says itself."""
    time = unshared("time", "--time", "--boottime", "100000", "--fork", "--kill-child")
    with another_holder(tmp_path / "a.zarr", within=time) as process:
        (place,) = tmp_path.glob("a.zarr.writing/views-0-9/owner.json")
        owner = json.loads(place.read_bytes())
        stat = Path(f"/proc/{owner['pid']}/stat").read_text().rpartition(")")[2].split()
        assert abs(int(owner["start"]) - int(stat[19]) - 100000 * os.sysconf("SC_CLK_TCK")) <= 1
        assert owner["time_namespace"] != os.readlink("/proc/self/ns/time")
        if earlier_version:
            del owner["time_namespace"]
            place.write_text(json.dumps(owner))
        with pytest.raises(Locked, match=f"found process {owner['pid']} on host .*, in another time namespace;"):
            recipe().write(tmp_path / "a.zarr")
        sweep(tmp_path / "a.zarr")
        assert list(tmp_path.glob("a.zarr.writing/views-0-9/*/logits.c.3.0.0.partial"))
        os.kill(owner["pid"], signal.SIGKILL)
        process.wait()
    # Its number is free: it is dead, whatever its clock was.
    assert recipe().write(tmp_path / "a.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_an_owner_of_an_earlier_version_is_told_by_its_start(tmp_path: Path) -> None:
    with another_holder(tmp_path / "a.zarr") as holder:
        (place,) = tmp_path.glob("a.zarr.writing/views-0-9/owner.json")
        owner = json.loads(place.read_bytes())
        del owner["time_namespace"]
        place.write_text(json.dumps(owner))
        with pytest.raises(Locked, match=f"found process {holder.pid} on host .*; wait for it$"):
            ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1", take_over=True)
        # The number is in use, but since another moment: perhaps another process, perhaps another clock.
        place.write_text(json.dumps({**owner, "start": "1"}))
        with pytest.raises(Locked, match="in another time namespace; .*--take-over"):
            ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1")
        ViewLock(tmp_path / "a.zarr", range(0, 3), guide="ta1", take_over=True).release()
        assert list(tmp_path.iterdir()) == []
