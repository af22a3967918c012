"""A push or a pull that is killed at any moment leaves what the same command goes on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.scripts import run_script


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["uint8", "factored", "topk"])
def test_killed_at_random_moments(tmp_path: Path, encoding: str) -> None:
    seen = json.loads(run_script(Path(__file__).parent / "sharing_kills.py", tmp_path, 1, 50, encoding))
    assert seen["push"] >= 50 and seen["pull"] >= 50
    assert seen["push: no store"] >= 10 and seen["pull: no store"] >= 10
