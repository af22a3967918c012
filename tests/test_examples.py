"""The examples run as a user runs them: three own models dumped, then a student from their stores."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dgkd_stores import GuideStore

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # quickest for what is tiny
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["train_student.py", "dump_own_model.py"])
def test_an_example_is_at_most_40_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 40


def test_dump_three_models_and_train_from_their_stores(tmp_path: Path) -> None:
    names = ("teacher", "ta1", "ta2")
    # At once: most of their time goes into importing torch.
    with ThreadPoolExecutor(len(names)) as together:
        printed = together.map(lambda name: run(EXAMPLES / "dump_own_model.py", name, tmp_path), names)
        assert all(f"{name}.zarr" in line for name, line in zip(names, printed, strict=True))
    stores = [tmp_path / f"{name}.zarr" for name in names]
    for path in stores:
        with GuideStore.open(path) as store:
            assert store.seal and float(store.header.guide.accuracy) > 0.8
    assert float(run(EXAMPLES / "train_student.py", *stores).split()[-1]) > 0.8
