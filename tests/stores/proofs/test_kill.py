"""A writer killed at any point leaves a store that can be gone on with, and only rows that are right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("encoding", "shards", "at_least"),
    # Lock, skeleton, chunks of one array or of two under one digest, seal, and the way out; with two shards four times.
    [("float32", 1, 140), *(pytest.param("uint8", *rest, marks=pytest.mark.slow) for rest in ((1, 150), (2, 300)))],
)
def test_killed_at_every_point(tmp_path: Path, encoding: str, shards: int, at_least: int) -> None:
    script = Path(__file__).with_name("kill_points.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), encoding, str(shards)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= at_least


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    script = Path(__file__).with_name("random_kills.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "1", "100"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["kills"] >= 100 and seen["kills of two at once"] >= 20 and seen["left an unfinished file"] >= 10


@pytest.mark.slow
def test_taken_over_at_random_moments(tmp_path: Path) -> None:
    script = Path(__file__).with_name("take_overs.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "1", "40"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stopped"] >= 15


def test_writers_that_start_together(tmp_path: Path) -> None:
    script = Path(__file__).with_name("race.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
