"""Every way into the command line sets how threads wait before torch is loaded, and never over a user's word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dgkd_cache.device.openmp import SPIN_COUNT, choose_waiting, describe_waiting

ROOT = Path(__file__).parents[2]
_ASK = """
import os, sys
import dgkd_cli.main as cli
def main(**words):
    assert "torch" not in sys.modules, "too late"
    import torch.multiprocessing as workers
    names = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"]
    with workers.get_context("spawn").Pool(1) as pool:
        print(*map(os.environ.get, names), *pool.map(os.getenv, names))
cli.main = main
if __name__ == "__main__":
    cli.entry()
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, f"{SPIN_COUNT} None {SPIN_COUNT} None"),
        ({"OMP_WAIT_POLICY": "active"}, "None active None active"),
        ({"GOMP_SPINCOUNT": "5"}, "5 None 5 None"),
    ],
)
def test_the_command_line_sets_it_first_and_workers_inherit_it(
    said: dict[str, str], expected: str, tmp_path: Path
) -> None:
    script = tmp_path / "ask.py"
    script.write_text(_ASK)
    bare = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run([sys.executable, str(script)], env={**bare, **said}, capture_output=True, text=True)
    assert done.stdout.strip() == expected, done.stderr


def test_libgomp_reads_it() -> None:
    """libgomp's own word on what it will do, from the environment that `choose_waiting` leaves."""
    chosen = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    choose_waiting(chosen)
    chosen["OMP_DISPLAY_ENV"] = "verbose"
    done = subprocess.run([sys.executable, "-c", "import torch"], env=chosen, capture_output=True, text=True)
    if "GOMP_" not in done.stderr:
        pytest.skip("torch's OpenMP here is not libgomp: how its threads wait is not set")
    assert f"GOMP_SPINCOUNT = '{SPIN_COUNT}'" in done.stderr


def test_what_is_shown() -> None:
    assert describe_waiting({"GOMP_SPINCOUNT": "7", "PATH": "/"}) == "GOMP_SPINCOUNT=7"
    assert (
        describe_waiting({"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "7"})
        == "OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=7"
    )
    assert describe_waiting({}) == "libgomp's own choice"
