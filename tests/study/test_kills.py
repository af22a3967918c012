"""Workers of a comparison that are killed at random moments and started again give the same results.json."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from support.study_kills import kill_both, killed_at, run_alone, what_is_there

from dgkd_cache.workspace.workspace import Workspace

CONFIG = """
[dataset]
name = "digits"
[views]
transforms = ["crop(1)"]
count = 1
[chain]
teacher = "plain4"
student = "plain2"
[training]
epochs = 1
checkpoint_steps = 5
"""
WORDS = ("--methods", "scratch,dgkd+drop", "--seeds", "2")
KILLS = 50
AIMED = (
    *("inputs.json", "metrics.jsonl", "checkpoint.safetensors", "weights.safetensors", "card.json", "records/*.json"),
    *("guides/*.zarr/logits/*", "guides/*.zarr/zarr.json", "compare/results.json", "compare/timings.json"),
)
"""Patterns of files: what is written in an instant is seldom hit by a moment."""


def begin(folder: Path) -> Path:
    Workspace.init(folder, CONFIG)
    return folder


def results(folder: Path) -> bytes:
    return (folder / "compare" / "results.json").read_bytes()


@pytest.mark.slow
def test_workers_killed_at_50_random_moments_leave_the_same_results(tmp_path: Path) -> None:
    """Two at once, at moments uniform over what an undisturbed comparison takes; each is then run to its end."""
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)  # pytest shows it if this fails
    draw, seen, chains = random.Random(seed), Counter[str](), 0
    run_alone(begin(tmp_path / "whole"), WORDS)
    wanted = results(tmp_path / "whole")
    length = run_alone(begin(tmp_path / "both"), WORDS, workers=2)
    assert results(tmp_path / "both") == wanted
    while seen["kills"] < KILLS:
        folder = begin(tmp_path / str(chains))
        while kill_both(folder, WORDS, draw.uniform(0, length)):
            seen += Counter(kills=1) + what_is_there(folder)
            if seen["kills"] == KILLS:
                run_alone(folder, WORDS, workers=2)
                break
        chains += 1
        assert results(folder) == wanted, f"seed {seed}, comparison {chains}"
    print(dict(seen), f"in {chains} comparisons of {length:.1f} s")
    assert seen["a training: lock"] and seen["no results"] >= KILLS / 4


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_workers_killed_at_each_kind_of_file_leave_the_same_results(tmp_path: Path, after: bool) -> None:
    """Before a file gets its name, and right after."""
    run_alone(begin(tmp_path / "whole"), WORDS)
    folder = begin(tmp_path / "killed")
    for target in AIMED:
        killed_at(folder, WORDS, target, after=after)
    run_alone(folder, WORDS)
    assert results(folder) == results(tmp_path / "whole")
