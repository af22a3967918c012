"""A workspace on 96 tiny images made by a module of the user's own, and its jobs without their many arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.workspace.chain import ChainRow, run_chain
from dgkd_cache.workspace.tasks import DumpResult, TrainRequest, dump_guide, train_model
from dgkd_cache.workspace.workspace import Workspace

MODULE = """
import numpy as np

def bars():
    def split(samples, seed):
        random = np.random.Generator(np.random.PCG64(seed))
        labels = random.integers(0, 4, samples)
        pixels = random.integers(0, 100, (samples, 1, 8, 8), dtype=np.uint8)
        for image, label in zip(pixels, labels):
            image[:, label * 2 : label * 2 + 2] += 120
        return pixels, labels, ["ant", "bee", "cow", "dog"]
    return split(96, 1), split(40, 2)

def three(**settings):
    return 3
"""

CONFIG = """
[dataset]
name = "tiny_bars:bars"
[views]
transforms = ["crop(1)", "hflip"]
count = 2
[cache]
batch_size = 32
precision = "float32"
[chain]
{chain}
[training]
epochs = 2
batch_size = 32
precision = "float32"
channels_last = true
checkpoint_steps = 2
[training.teacher]
epochs = 3
"""

THREE = 'teacher = "resnet14"\nta1 = "plain2"\nstudent = "resnet8"'


def add_module(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Write the module of the tiny data set into a folder, and have it imported from there."""
    (folder / "tiny_bars.py").write_text(MODULE)
    patch.syspath_prepend(str(folder))


def workspace(folder: Path, *, chain: str = THREE, **settings: object) -> Workspace:
    ws = Workspace.init(folder, CONFIG.format(chain=chain))
    keys = {key.replace("__", "."): value for key, value in settings.items()}
    return ws.with_config(with_overrides(ws.config, keys)) if keys else ws


def run(ws: Workspace, *, remake: bool = False, stop=lambda: False, progress=None) -> list[ChainRow]:
    return run_chain(ws, device="cpu", remake=remake, progress=progress or Silent(), stop=stop)


def content(folder: Path, *, without: str | None = None) -> dict[str, bytes]:
    """Weights and stores, those of `without` left out; cards and metrics hold times."""
    kept = [*folder.glob("runs/*/weights.safetensors"), *folder.glob("guides/**/*")]
    names = {str(path.relative_to(folder)): path for path in sorted(kept) if path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if not without or without not in name}


class Lines(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    warn = say


def train(ws: Workspace, name: str, **settings: object) -> ModelCard:
    request = {
        "architecture": "plain2",
        "training": ws.config.training,
        "distillation": ws.config.distillation,
        **{key: settings.pop(key) for key in TrainRequest.__dataclass_fields__ if key in settings},
    }
    how = {"device": "cpu", "progress": Silent(), "stop": lambda: False, **settings}
    return train_model(ws, TrainRequest(name=name, **request), **how)


def dump(ws: Workspace, model: str, **settings: object) -> DumpResult:
    arguments = {"device": "cpu", "progress": Silent(), "stop": lambda: False, **settings}
    return dump_guide(ws, model=model, **arguments)
