"""Guides that are none, through the jobs of a workspace: refused before anything is written, with a way on."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import dump, train, workspace

from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.workspace.config import with_overrides
from dgkd_cache.workspace.jobs import plan_chain, recompute_rows, repair_store
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

MODULE = """
import torch
from torch import nn

noise = 0.0

class Noisy(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

    def forward(self, images):
        return self.layers(images) + (torch.randn(1) * noise if noise else 0)

def noisy(*, classes):
    return Noisy(classes)

class Auxiliary(nn.Sequential):
    def forward(self, images):
        logits = super().forward(images)
        return (logits, logits) if self.training else logits

def auxiliary(*, classes):
    return Auxiliary(nn.Flatten(), nn.LazyLinear(classes))

def softmax(*, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes), nn.Softmax(1))
"""
CHAIN = 'teacher = "dgkd_wrong:{}"\nstudent = "plain2"'


@pytest.fixture
def wrong(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "dgkd_wrong.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(importlib.sys.modules, "dgkd_wrong", raising=False)
    return importlib.import_module("dgkd_wrong")


def teacher(folder: Path, factory: str) -> Workspace:
    ws = workspace(folder, chain=CHAIN.format(factory), training__epochs=1)
    train(ws, "teacher", architecture=f"dgkd_wrong:{factory}")
    return ws


def test_a_guide_that_draws_random_numbers(tmp_path: Path, wrong) -> None:
    ws = teacher(tmp_path / "ws", "noisy")
    sealed = dump(ws, "teacher")
    wrong.noise = 0.01
    with pytest.raises(InvalidInput, match="guide 'teacher' returns different logits for the same images"):
        dump(ws, "teacher", views=range(2, 4))
    assert [path.name for path in (ws.folder / "guides").iterdir()] == ["teacher.zarr"]
    with pytest.raises(InvalidInput, match="returns different logits"):
        plan_chain(ws, device="cpu", seconds=0.01, progress=Silent())
    with pytest.raises(InvalidInput, match="returns different logits"):
        train(ws, "by-live", live=[ws.run_folder("teacher")])
    assert not (ws.run_folder("by-live") / "inputs.json").exists()
    recompute = {"path": sealed.path, "rows": 5, "device": "cpu", "progress": Silent()}
    with pytest.raises(InvalidInput, match="returns different logits"):
        recompute_rows(ws, **recompute)
    chunk = sealed.path / "logits" / "c.1.0.0"
    kept = chunk.read_bytes()
    chunk.unlink()
    repair = {"path": sealed.path, "device": "cpu", "progress": Silent(), "stop": lambda: False}
    with pytest.raises(InvalidInput, match="returns different logits") as caught:
        repair_store(ws, **repair)
    assert caught.value.exit_code == 2
    wrong.noise = 0.0
    assert repair_store(ws, **repair).seal == sealed.seal and chunk.read_bytes() == kept
    assert recompute_rows(ws, **recompute).differing == 0


def test_a_network_that_cannot_be_trained_leaves_nothing_behind(tmp_path: Path, wrong) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN.format("auxiliary"), training__epochs=1)
    with pytest.raises(InvalidInput, match="does not return one logit a class in training mode.*found tuple"):
        train(ws, "teacher", architecture="dgkd_wrong:auxiliary")
    assert not list((ws.folder / "runs").rglob("inputs.json"))


def test_a_softmax_at_the_end_and_the_way_past_it(tmp_path: Path, wrong) -> None:
    ws = teacher(tmp_path / "ws", "softmax")
    for refused in (
        lambda: dump(ws, "teacher"),
        lambda: plan_chain(ws, device="cpu", seconds=0.01, progress=Silent()),
        lambda: train(ws, "by-live", live=[ws.run_folder("teacher")]),
    ):
        with pytest.raises(InvalidInput, match="'teacher' gives probabilities.*set accept_probabilities = true"):
            refused()
    words = ["-w", str(ws.folder), "dump", "--model", "teacher", "--device", "cpu"]
    assert CliRunner().invoke(main, words).exit_code == 2
    done = CliRunner().invoke(main, [*words, "--accept-probabilities"])
    assert done.exit_code == 0, done.output
    (ws.store_path("teacher") / "logits" / "c.0.0.0").unlink()
    repaired = repair_store(
        ws, path=ws.store_path("teacher"), device="cpu", progress=Silent(), stop=lambda: False
    )  # what is sealed is not judged again
    accepting = ws.with_config(with_overrides(ws.config, {"cache.accept_probabilities": True}))
    assert dump(accepting, "teacher").seal == repaired.seal
    shutil.rmtree(ws.store_path("teacher"))
    assert dump(accepting, "teacher").seal == repaired.seal
    train(accepting, "by-live", live=[ws.run_folder("teacher")])
