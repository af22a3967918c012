"""torch.compile in the training loop: the same losses, the same names of weights, a clear word without a compiler."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support.tiny_chain import add_module, train, workspace

from dgkd_cache.errors import Interrupted
from dgkd_cache.models.saved import load_model
from dgkd_cache.progress import Silent
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.workspace.tasks import evaluate_model

pytestmark = pytest.mark.slow
"""Compiling takes minutes on a slow machine."""


@pytest.fixture(autouse=True)
def tiny_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_module(tmp_path, monkeypatch)


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-4), ("bf16", 2e-2)])
def test_a_compiled_run_is_the_eager_one_to_rounding_and_may_be_resumed(
    tmp_path: Path, precision: str, bound: float
) -> None:
    """Batches of 40 and 16: stopped before the smaller one, the resumed run meets it first."""
    ws = workspace(tmp_path / "ws")
    recipe = ws.config.training.model_copy(update={"precision": precision, "batch_size": 40, "lr": 0.01})
    eager = train(ws, "eager", architecture="plain4", training=recipe)
    recipe = recipe.model_copy(update={"compile": True})
    train(ws, "whole", architecture="plain4", training=recipe)
    calls = itertools.count(1)
    with pytest.raises(Interrupted):
        train(ws, "whole2", architecture="plain4", training=recipe, stop=lambda: next(calls) == 2)
    saved = load_file(ws.run_folder("whole2") / "checkpoint.safetensors")
    assert not [name for name in saved if "_orig_mod" in name]
    resumed = train(ws, "whole2", architecture="plain4", training=recipe)
    losses = {
        name: [line["loss"] for line in read_metrics(ws.run_folder(name) / "metrics.jsonl")]
        for name in ("eager", "whole", "whole2")
    }
    assert losses["whole"] == pytest.approx(losses["eager"], rel=bound)
    assert losses["whole"] == losses["whole2"]
    model, card = load_model(ws.run_folder("whole2"))
    assert card.weights_digest == resumed.weights_digest and card.parameters == eager.parameters
    score = evaluate_model(ws, model="whole2", split="test", device="cpu", progress=Silent())
    assert f"{score.accuracy:g}" == card.accuracy["test"]


def test_without_a_compiler_it_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")
    words = [sys.executable, "-m", "dgkd_cli", "-w", str(ws.folder), "train", "--model", "teacher", "--compile"]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"CXX": "no-such-compiler", "PATH": "/nowhere", "PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
        | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor"), "HOME": str(tmp_path)},
    )
    assert done.returncode == 2, done.stderr
    assert "Error: torch.compile does not work here: expected a C++ compiler, found No working C++" in done.stderr
    assert "train with --no-compile" in done.stderr
    assert not (ws.run_folder("teacher") / "inputs.json").exists()
