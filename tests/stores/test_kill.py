"""A writer killed at any point leaves a store that can be gone on with, and only rows that are right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_killed_at_every_point(tmp_path: Path) -> None:
    script = Path(__file__).with_name("kill_points.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # Lock, skeleton of ten arrays, four chunks with their digests, seal, and the way out.
    assert int(done.stdout.split()[-1]) > 80


def test_writers_that_start_together(tmp_path: Path) -> None:
    script = Path(__file__).with_name("race.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
