"""Files of a run that this user may not read are told as that, and not as damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.unprivileged import open_folder, refused_permission
from torch import nn

from dgkd_cache.run_files.run_card import read_card
from dgkd_cache.run_files.tensor_file import open_tensors
from dgkd_cache.training.checkpoint import load_state, save_state
from dgkd_cache.training.metrics import MetricsLog, read_metrics
from dgkd_cache.workspace.run_inputs import read_inputs, write_inputs

READERS: dict[str, Callable[[Path], object]] = {
    "card.json": read_card,
    "weights.safetensors": lambda folder: open_tensors(folder / "weights.safetensors").__enter__(),
    "best-0.safetensors": lambda folder: load_state(folder / "best-0.safetensors", nn.Linear(2, 1)),
    "metrics.jsonl": lambda folder: read_metrics(folder / "metrics.jsonl"),
    "inputs.json": read_inputs,
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_may_not_be_read(name: str) -> None:
    with open_folder() as folder:
        torch.manual_seed(0)
        for tensors in ("weights.safetensors", "best-0.safetensors"):
            save_state(folder / tensors, nn.Linear(2, 1))
        write_inputs(folder, {"a": "1"})
        MetricsLog(folder / "metrics.jsonl", resume_epoch=0).append({"epoch": 0})
        (folder / "card.json").write_text("{}")
        (folder / name).chmod(0o000)

        said = refused_permission(lambda: READERS[name](folder))
        assert said.startswith(f"1 {folder / name} may not be read: expected permission to read it"), said
        assert f"`chmod a+rX {folder / name}`" in said or f"`chmod u+rX {folder / name}`" in said
