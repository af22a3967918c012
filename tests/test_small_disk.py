"""Real disks that are too small: nothing is lost, and with more room the same command ends in the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.tmpfs import launcher

TESTS = Path(__file__).parent

pytestmark = pytest.mark.slow


def result(script: str, folder: Path) -> dict[str, Any]:
    mount = launcher(folder)
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*mount, sys.executable, str(TESTS / script), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_the_writer_on_a_disk_of_every_size(tmp_path: Path) -> None:
    seen = result("stores/proofs/small_disk.py", tmp_path)
    assert seen["pages"]["sizes"] >= 25 and seen["inodes"]["sizes"] >= 40
    assert seen["pages"]["grown"] >= 25 and seen["inodes"]["grown"] >= 40
    assert min(seen["exports"].values()) >= 4


def test_the_command_on_small_disks(tmp_path: Path) -> None:
    seen = result("cli/small_disk.py", tmp_path)
    assert seen["exit codes"] == [14] * 5 + [0, 14, 0]
    assert len(set(seen["views finished"])) >= 4, "it was full at different points"


def test_push_and_pull_on_a_disk_of_every_size(tmp_path: Path) -> None:
    seen = result("stores/proofs/sharing_small_disk.py", tmp_path)
    assert seen["push, pages"] >= 25 and seen["push, files"] >= 35
    assert seen["pull, pages"] >= 25 and seen["pull, files"] >= 35
    assert len(seen) == 10 and min(seen.values()) >= 3


def test_the_commands_push_and_pull_on_small_disks(tmp_path: Path) -> None:
    seen = result("cli/sharing_small_disk.py", tmp_path)
    assert seen["push"] == seen["pull"] == [14] * 3 + [0] and seen["bytes"][0] > 5_000_000
