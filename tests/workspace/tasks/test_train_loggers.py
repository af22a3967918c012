"""Runs with loggers: their files have the lines of metrics.jsonl, each once, and nothing else of a run changes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_chain import Lines, content, run, train, workspace
from support.wandb_file import wandb_files

from dgkd_cache.errors import Interrupted, UnknownName
from dgkd_cache.training.loggers import LOGGERS
from dgkd_cache.workspace.chain import run_chain
from dgkd_cache.workspace.run_check import require_sound
from dgkd_cache.workspace.workspace import Workspace

BOTH = ["tensorboard", "wandb"]
CHAIN = 'teacher = "plain4"\nstudent = "plain2"'


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return workspace(tmp_path / "ws", chain=CHAIN, training__epochs=4)


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_times(folder: Path) -> dict[str, object]:
    lines = [{key: value for key, value in line.items() if key != "seconds"} for line in metrics(folder)]
    return {"inputs": (folder / "inputs.json").read_bytes(), "metrics": lines}


def of_tensorboard(folder: Path) -> list[dict[str, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), purge_orphaned_data=False)
    events.Reload()
    rows: dict[int, dict[str, float]] = {}
    for tag in events.Tags()["scalars"]:
        for one in events.Scalars(tag):
            assert tag not in rows.setdefault(one.step, {"step": one.step}), "a line that is there twice"
            rows[one.step][tag] = one.value
    return [rows[step] for step in sorted(rows)]


def of_wandb(folder: Path) -> list[dict[str, float]]:
    rows = [{"step": row["_step"], **row} for file in wandb_files(folder) for row in file.history]
    return [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]


def in_float32(lines: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [
        {key: value if key == "step" else float(np.float32(value)) for key, value in line.items()} for line in lines
    ]


def assert_mirrored(folder: Path) -> None:
    lines = metrics(folder)
    assert len(lines) >= 3
    assert of_tensorboard(folder) == in_float32(lines) and of_wandb(folder) == lines


def test_loggers_change_nothing_of_a_run(ws: Workspace, tmp_path: Path, offline: None) -> None:
    """Neither a bit of weights and stores, nor its inputs, nor what checks and later commands see."""
    plain, logged = ws, workspace(tmp_path / "logged", chain=CHAIN, training__epochs=4)
    run(plain)
    run_chain(logged, device="cpu", log=BOTH)
    assert content(logged.folder) == content(plain.folder)
    for name in ws.chain:
        assert without_times(logged.run_folder(name)) == without_times(plain.run_folder(name))
        assert_mirrored(logged.run_folder(name))
        require_sound(logged.run_folder(name))
    before = content(logged.folder)
    assert [row.state for row in run(logged)] == ["done", "done"] and content(logged.folder) == before


@pytest.mark.parametrize("steps", [2, 3, 4, 6, 7])
def test_a_stopped_run_has_each_line_once(ws: Workspace, offline: None, steps: int) -> None:
    """An epoch has three steps, and every second has a checkpoint."""
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) == steps

    with pytest.raises(Interrupted):
        train(ws, "ta1", log=BOTH, stop=stop)
    train(ws, "ta1", log=BOTH)
    assert_mirrored(ws.run_folder("ta1"))


@pytest.mark.parametrize("steps", [3, 5, 7])
def test_a_killed_run_has_each_line_once(ws: Workspace, offline: None, steps: int) -> None:
    """By SIGKILL before the checkpoint of a step: lines that it has passed on come again."""
    pid = os.fork()
    if pid == 0:
        asked: list[None] = []

        def stop() -> bool:
            asked.append(None)
            if len(asked) == steps:
                os.kill(os.getpid(), signal.SIGKILL)
            return False

        train(ws, "ta1", log=["tensorboard"], stop=stop)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    train(ws, "ta1", log=BOTH)
    assert_mirrored(ws.run_folder("ta1"))


def test_a_finished_run_can_be_passed_on(ws: Workspace, offline: None) -> None:
    train(ws, "ta1")
    for _ in range(2):
        train(ws, "ta1", log=BOTH)
        assert_mirrored(ws.run_folder("ta1"))


def test_a_logger_that_fails_loses_no_run(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: object) -> Any:
        class Broken:
            def begin(self, lines: object) -> None:
                pass

            def add(self, line: object) -> None:
                raise OSError(28, "No space left on device", "run.wandb")

            def close(self, *, failed: bool) -> None:
                raise RuntimeError("and again")

        return Broken()

    monkeypatch.setitem(LOGGERS, "wandb", broken)
    lines = Lines()
    card = train(ws, "ta1", log=BOTH, progress=lines)
    said = [line for line in lines.lines if "logger" in line]
    assert said == [
        "the logger wandb failed and is left out; metrics.jsonl has every line "
        "(OSError: [Errno 28] No space left on device: 'run.wandb')"
    ]
    folder = ws.run_folder("ta1")
    assert len(metrics(folder)) == 4 and of_tensorboard(folder) == in_float32(metrics(folder))
    assert card.weights_digest == train(Workspace(tmp_path / "plain", ws.config), "ta1").weights_digest


def test_an_unknown_logger_is_refused_before_anything(ws: Workspace) -> None:
    with pytest.raises(UnknownName, match="unknown logger 'mlflow'"):
        train(ws, "ta1", log=["mlflow"])
    assert not (ws.folder / "runs").exists()
