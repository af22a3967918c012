"""Guides that are none, through the jobs of a workspace: refused before anything is written, with a way on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from support.tiny_chain import dump, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.workspace.tasks import plan_chain, recompute_rows, repair_store
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

MODULE = """
import torch
from torch import nn

noise, noisy_from = 0.0, 9  # images: the trial of a new network forwards eight at most

class Noisy(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

    def forward(self, images):
        return self.layers(images) + (torch.randn(1) * noise if noise and len(images) >= noisy_from else 0)

def noisy(*, classes):
    return Noisy(classes)

class Auxiliary(nn.Sequential):
    def forward(self, images):
        logits = super().forward(images)
        return (logits, logits) if self.training else logits

def auxiliary(*, classes):
    return Auxiliary(nn.Flatten(), nn.LazyLinear(classes))

class Few(nn.Sequential):
    def forward(self, images):
        if len(images) > 20 and self.training == when_training:
            raise ValueError("too many at once")
        return super().forward(images)

when_training = True

def few(*, classes):
    return Few(nn.Flatten(), nn.LazyLinear(classes))

class Fixed(nn.Sequential):
    def forward(self, images):
        return super().forward(images)[:30]

def fixed(*, classes):
    return Fixed(nn.Flatten(), nn.LazyLinear(classes))

def softmax(*, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes), nn.Softmax(1))
"""
CHAIN = 'teacher = "dgkd_wrong:{}"\nstudent = "plain2"'


@pytest.fixture
def wrong(import_own: Callable[[str, str], ModuleType]) -> ModuleType:
    return import_own("dgkd_wrong", MODULE)


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


@pytest.mark.parametrize(("training", "when"), [(True, "in training"), (False, "when it is evaluated")])
def test_a_network_that_fails_with_many_images_is_told_with_its_line(
    tmp_path: Path, wrong, training: bool, when: str
) -> None:
    wrong.when_training = training
    ws = workspace(tmp_path / "ws", chain=CHAIN.format("few"), training__epochs=1, training__batch_size=32)
    words = (
        rf"the network fails {when}: .*uint8 \[\d\d, 1, 8, 8\].*ValueError: too many at once \(.*dgkd_wrong.py, line"
    )
    with pytest.raises(InvalidInput, match=words):
        train(ws, "teacher", architecture="dgkd_wrong:few", training=ws.config.training)
    wrong.when_training = None  # mended, it goes on from its checkpoint
    assert train(ws, "teacher", architecture="dgkd_wrong:few", training=ws.config.training).accuracy


def test_a_network_that_leaves_rows_out_of_a_full_batch_is_told(tmp_path: Path, wrong) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN.format("fixed"), training__epochs=1, training__batch_size=32)
    words = (
        r"one row of logits for each of the 32 images of a batch: expected a tensor \[32, classes\], found .*\[30, 4\]"
    )
    with pytest.raises(InvalidInput, match=words):
        train(ws, "teacher", architecture="dgkd_wrong:fixed", training=ws.config.training)


def test_a_network_that_cannot_be_trained_leaves_nothing_behind(tmp_path: Path, wrong) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN.format("auxiliary"), training__epochs=1)
    with pytest.raises(InvalidInput, match="does not return one logit a class in training mode.*found tuple"):
        train(ws, "teacher", architecture="dgkd_wrong:auxiliary")
    assert not list((ws.folder / "runs").rglob("inputs.json"))


@pytest.mark.parametrize(("place", "factory"), [("ta1", "noisy"), ("student", "softmax")])
def test_a_chain_that_cannot_teach_is_refused_before_the_teacher_is_trained(
    tmp_path: Path, wrong, place: str, factory: str
) -> None:
    wrong.noise, wrong.noisy_from = 0.01, 2
    chain = {"teacher": "plain4", "ta1": "plain2", "student": "plain2", place: f"dgkd_wrong:{factory}"}
    folder = tmp_path / "ws"
    workspace(folder, chain="\n".join(f'{name} = "{architecture}"' for name, architecture in chain.items()))
    result = CliRunner().invoke(main, ["-w", str(folder), "run", "--device", "cpu"])
    problem = {"noisy": "returns different logits", "softmax": "gives probabilities"}[factory]
    assert result.exit_code == 2 and f"dgkd_wrong:{factory} {problem}" in result.stderr
    assert not (folder / "runs").exists() or not list((folder / "runs").iterdir())
    result = CliRunner().invoke(main, ["models", f"dgkd_wrong:{factory}"])
    assert result.exit_code == 1 and problem in " ".join(result.stdout.split())


def test_a_softmax_at_the_end_and_the_way_past_it(tmp_path: Path, wrong) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN.format("softmax"), training__epochs=1)
    accepting = ws.with_config(with_overrides(ws.config, {"cache.accept_probabilities": True}))
    with pytest.raises(InvalidInput, match="dgkd_wrong:softmax gives probabilities.*say accept_probabilities"):
        train(ws, "teacher", architecture="dgkd_wrong:softmax")
    assert not list((ws.folder / "runs").rglob("inputs.json"))
    models = ["models", "dgkd_wrong:softmax", "--accept-probabilities"]
    assert CliRunner().invoke(main, models).exit_code == 0
    train(accepting, "teacher", architecture="dgkd_wrong:softmax")
    for refused in (
        lambda: dump(ws, "teacher"),
        lambda: plan_chain(ws, device="cpu", seconds=0.01, progress=Silent()),
        lambda: train(ws, "by-live", live=[ws.run_folder("teacher")]),
    ):
        with pytest.raises(InvalidInput, match="gives probabilities.*say accept_probabilities"):
            refused()
    words = ["-w", str(ws.folder), "dump", "--model", "teacher", "--device", "cpu"]
    assert CliRunner().invoke(main, words).exit_code == 2
    done = CliRunner().invoke(main, [*words, "--accept-probabilities"])
    assert done.exit_code == 0, done.output
    (ws.store_path("teacher") / "logits" / "c.0.0.0").unlink()
    repaired = repair_store(
        ws, path=ws.store_path("teacher"), device="cpu", progress=Silent(), stop=lambda: False
    )  # what is sealed is not judged again
    assert dump(accepting, "teacher").seal == repaired.seal
    shutil.rmtree(ws.store_path("teacher"))
    assert dump(accepting, "teacher").seal == repaired.seal
    train(accepting, "by-live", live=[ws.run_folder("teacher")])
