"""Changed run files, links where a run writes, and any bytes for its readers: refused, or the outcome is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hostile_runs.fuzz_inputs import changed
from hostile_runs.fuzz_targets import OUTCOMES, TARGETS, digested, fuzz

from dgkd_cache.errors import Damaged
from dgkd_cache.run_files.run_card import read_card

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory and makes devices as Linux does")

CASES = 5200
SHARDS = 4
WORKS = ["run", "stopped", "resumed", "dump", "remake", "fresh"]

ONE_HEAP = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def script(name: str, *arguments: str) -> list[str]:
    """The lines that a script of hostile_runs prints, if it finds nothing broken."""
    path = Path(__file__).parents[1] / "hostile_runs" / name
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(command, env=os.environ | ONE_HEAP, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout.splitlines()


def checked(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(script("check.py", "--count", str(CASES), *arguments)[-1]))


@pytest.mark.slow
def test_changed_files_drawn() -> None:
    found = checked("--draw", "100")
    assert found["cases"] == 100 and found["broken"] == 0
    assert all(any(key.startswith(f"{verb} ") for key in found["ended"]) for verb in ("ls", "run", "train", "eval"))
    # The corpus is no empty threat: some are refused, and some do not matter.
    assert found["ended"]["verify 12"] and found["ended"]["verify 15"] and found["ended"]["verify 0"]


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_changed_files(shard: int) -> None:
    found = checked("--shard", f"{shard}/{SHARDS}")
    assert found["cases"] >= CASES // SHARDS and found["broken"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(2))
def test_changed_files_under_commands(shard: int) -> None:
    found = checked("--draw", "100", "--commands", "--shard", f"{shard}/2")
    assert found["cases"] == 50 and found["broken"] == 0


@pytest.mark.parametrize(
    "work", [work if work == "dump" else pytest.param(work, marks=pytest.mark.slow) for work in WORKS]
)
def test_links_where_a_run_writes(work: str) -> None:
    found = json.loads(script("links.py", work)[0])
    assert found["work"] == work and found["links"] == 3 * len(found["paths"]) and found["links"] >= 9


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes(target: str, tmp_path: Path) -> None:
    """A fixed sequence gets through at times, and is refused for many reasons otherwise."""
    OUTCOMES.clear()
    data = b""
    for seed in range(400):
        data = changed(target, data if seed % 4 else b"", seed)
        fuzz(target, tmp_path, data)
    assert OUTCOMES["taken"] and len(OUTCOMES) > 5, OUTCOMES


def test_a_card_under_a_digest_that_fits_and_without_its_table_of_files(tmp_path: Path) -> None:
    """Found by the fuzzer."""
    card = {"format": "dgkd-model-card", "version": 1}
    (tmp_path / "card.json").write_text(json.dumps({**card, "digest": digested(card)}))
    with pytest.raises(Damaged, match="size and SHA-256"):
        read_card(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("atheris"), reason="atheris is not installed: no coverage-guided fuzzing")
@pytest.mark.parametrize("target", TARGETS)
def test_coverage_guided(target: str, tmp_path: Path) -> None:
    """A minute, or 200,000 inputs, of `fuzz.py`."""
    limits = ["-runs=200000", "-max_total_time=60", f"-artifact_prefix={tmp_path}/"]
    assert "'taken'" in script("fuzz.py", target, *limits)[-1]
