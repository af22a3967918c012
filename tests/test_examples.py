"""The examples run as a user runs them: three own models dumped, then a student from their stores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.tiny_chain import add_module, content, dump, train, workspace

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


@pytest.mark.slow
def test_the_slurm_array_makes_the_store_of_one_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs as Slurm would run them, at once and each with its number."""
    add_module(tmp_path, monkeypatch)
    ws = workspace(tmp_path / "ws", chain='teacher = "plain2"\nstudent = "plain2"')
    train(ws, "teacher")
    command = tmp_path / "bin" / "dgkd-cache"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m dgkd_cli "$@"\n')
    command.chmod(0o755)
    shown = {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        "SLURM_ARRAY_TASK_COUNT": "2",
        "SLURM_CPUS_PER_TASK": "1",
    }

    def job(number: int) -> str:
        done = subprocess.run(
            ["bash", str(EXAMPLES / "dump_array.sbatch"), "teacher"],
            capture_output=True,
            text=True,
            cwd=ws.folder,
            env={**os.environ, **shown, "SLURM_ARRAY_TASK_ID": str(number)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with ThreadPoolExecutor(2) as together:
        assert all("teacher.zarr" in line for line in together.map(job, range(2)))
    by_array = content(ws.folder)
    shutil.rmtree(ws.store_path("teacher"))
    assert dump(ws, "teacher").seal
    assert content(ws.folder) == by_array


@pytest.mark.parametrize("name", ["train_student.py", "dump_own_model.py"])
def test_an_example_is_at_most_40_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 40


def test_the_loop_of_a_student_of_ones_own_is_at_most_12_lines() -> None:
    """From the guides to the last step: what a person adds to a script that has data, a model and an optimiser."""
    lines = (EXAMPLES / "train_student.py").read_text().split("\n\n    bank = ")[1].split("\n\n")[0].splitlines()
    assert 5 <= len(lines) <= 12 and lines[-1].strip() == "optimizer.step()"


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
