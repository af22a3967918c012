"""A writer, a repair or an export killed at any point leaves what can be gone on with, and only rows that are right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.scripts import run_script

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("encoding", "shards", "at_least"),
    # Lock, skeleton, chunks of one array or of two under one digest, seal, and the way out; with two shards four times.
    [
        ("float32", 1, 140),
        *(
            pytest.param(*how, marks=pytest.mark.slow)
            for how in (("uint8", 1, 150), ("uint8", 2, 300), ("factored", 1, 140), ("topk", 1, 160))
        ),
    ],
)
def test_killed_at_every_point(tmp_path: Path, encoding: str, shards: int, at_least: int) -> None:
    assert int(run_script(HERE / "kill_points.py", tmp_path, encoding, shards, timeout=300).split()[-1]) >= at_least


ALSO_SLOW = [pytest.param(encoding, marks=pytest.mark.slow) for encoding in ("factored", "topk")]


@pytest.mark.parametrize("encoding", ["float32", *ALSO_SLOW])
def test_a_repair_killed_at_every_point(tmp_path: Path, encoding: str) -> None:
    assert int(run_script(HERE / "repair_kills.py", tmp_path, encoding, timeout=300).split()[-1]) >= 100


def test_an_export_killed_at_every_point(tmp_path: Path) -> None:
    assert int(run_script(HERE / "export_kills.py", tmp_path, timeout=300).split()[-1]) >= 120


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["uint8", "factored", "topk"])
def test_killed_at_random_moments(tmp_path: Path, encoding: str) -> None:
    seen = json.loads(run_script(HERE / "random_kills.py", tmp_path, 1, 100, encoding))
    assert seen["kills"] >= 100 and seen["kills of two at once"] >= 20 and seen["left an unfinished file"] >= 10


@pytest.mark.slow
def test_taken_over_at_random_moments(tmp_path: Path) -> None:
    assert json.loads(run_script(HERE / "take_overs.py", tmp_path, 1, 40))["stopped"] >= 15


def test_writers_that_start_together(tmp_path: Path) -> None:
    run_script(HERE / "race.py", tmp_path, timeout=300)
