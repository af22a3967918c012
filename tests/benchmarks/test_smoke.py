"""Every benchmark runs to its end at its smallest size and leaves a file that the page can be made from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report import NAMES
from benchmarks.result import Result, markdown

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_at_its_smallest(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick", "--into", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = Result.from_json((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert result.name == name and result.rows and markdown(result).count("\n|") == len(result.rows) + 2
    assert all(len(row.samples) for row in result.rows)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("dgkd-bench-")], "nothing is left over"
