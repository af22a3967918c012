"""The lock of a run: another process is kept out and told who holds it; nothing is left behind."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from dgkd_cache.errors import StoreLocked
from dgkd_cache.workspace.run_lock import run_lock

_TRY = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def test_keeps_another_process_out_and_leaves_nothing(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "ta1"
    lock = tmp_path / "runs" / "ta1.lock"
    with run_lock(run, "ta1"):
        assert not run.exists(), "a locked run is not a begun one"
        tried = subprocess.run([sys.executable, "-c", _TRY, str(lock)], capture_output=True, text=True)
        assert "BlockingIOError" in tried.stderr
    assert list(run.parent.iterdir()) == []


def test_refuses_with_what_to_do(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "ta1"
    run.mkdir(parents=True)
    with run_lock(run, "ta1"):
        with pytest.raises(StoreLocked, match="the run ta1.*process [0-9]+ on .*wait until it is done") as refused:
            with run_lock(run, "ta1"):
                pass
    assert refused.value.exit_code == 11
    with run_lock(run, "ta1"):
        pass
    assert list(run.parent.iterdir()) == [run]


def test_what_a_killed_process_left_locks_nothing(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "ta1"
    run.parent.mkdir()
    (run.parent / "ta1.lock").write_text("process 1 on elsewhere\n")
    with run_lock(run, "ta1"):
        with open(run.parent / "ta1.lock") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not (run.parent / "ta1.lock").exists()
