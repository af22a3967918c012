"""The step and epoch that a begun run's training said, and the settings it was given, are read."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from pathlib import Path

import pytest
from support.tiny_chain import train, workspace

from dgkd_cache.errors import Damaged, Interrupted
from dgkd_cache.run_files.checkpoint_file import read_record
from dgkd_cache.workspace.begun_run import read_begun


@pytest.mark.parametrize(
    ("step", "steps", "epoch"),
    [(2, None, 1), (3, 9, 1), (4, 9, 2), (9, 9, 3)],
    ids=["before the first epoch has ended", "at its end", "in the second", "at the last step"],
)
def test_step_and_epoch_are_those_of_the_training(tmp_path: Path, step: int, steps: int | None, epoch: int) -> None:
    """96 samples in batches of 32, three times: a run has 9 steps."""
    ws, calls = workspace(tmp_path / "ws"), itertools.count()
    with pytest.raises(Interrupted, match=f"after step {step} of 9"):
        train(ws, "teacher", training=ws.config.training_for("teacher"), stop=lambda: next(calls) == step - 1)
    found = read_begun(ws.run_folder("teacher"))
    assert (found.step, found.steps, found.epoch, found.epochs) == (step, steps, epoch, 3)
    assert found.settings["training.batch_size"] == 32 and found.settings["views.transforms"] == ["crop(1)", "hflip"]
    assert found.seconds == read_record(ws.run_folder("teacher") / "checkpoint.safetensors")["seconds"] > 0
    assert json.loads(json.dumps(dataclasses.asdict(found)))["step"] == step
    os.remove(ws.run_folder("teacher") / "checkpoint.safetensors")
    bare = read_begun(ws.run_folder("teacher"))
    assert (bare.step, bare.steps, bare.epoch, bare.epochs) == (0, None, 0, 3)


def test_records_of_others_are_refused_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text(json.dumps({"training.epochs": "[" * 10**5, "views.count": "no JSON"}))
    assert read_begun(tmp_path).settings == {"training.epochs": None, "views.count": None}
    (tmp_path / "inputs.json").write_text("[]")
    with pytest.raises(Damaged, match="expected a JSON object"):
        read_begun(tmp_path)
