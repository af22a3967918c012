"""A run that lies there already: held to its inputs before it is used."""

from __future__ import annotations

import pytest
from support.tiny_chain import run, train

from dgkd_cache.errors import Mismatch


def test_a_run_of_another_setting_under_the_same_name_is_refused(done) -> None:
    ws, _ = done
    train(ws, "twice")
    other = ws.config.training.model_copy(update={"lr": 0.01})
    with pytest.raises(Mismatch, match="twice.*training.lr was 0.1, is 0.01.*--fresh") as caught:
        train(ws, "twice", training=other)
    assert caught.value.exit_code == 13


COVERED = ["card.json", "inputs.json", "metrics.jsonl", "weights.safetensors"]


def test_what_a_kill_left_of_a_finished_run_is_removed(done) -> None:
    """Between the card and the removal of the checkpoint there is a moment."""
    ws, _ = done
    guides = [ws.store_path("teacher"), ws.store_path("ta1")]
    recipe = {"architecture": "resnet8", "training": ws.config.training_for("student"), "guides": guides}
    for finish in (lambda: run(ws), lambda: train(ws, "student", **recipe)):
        for name in ("checkpoint.safetensors", "best-1.safetensors", "checkpoint.safetensors.partial"):
            (ws.run_folder("student") / name).write_bytes(b"any")
        finish()
        assert sorted(path.name for path in ws.run_folder("student").iterdir()) == COVERED
