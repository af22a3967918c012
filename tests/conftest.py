"""Shared pieces of many tests: one thread a process, a tiny data set, a tiny model."""

from __future__ import annotations

import os
import signal

# Libraries read these when they are loaded, and every process that a test starts inherits them. Sums over threads
# differ in the last bit, one thread is quickest for what is tiny, and pytest-xdist runs a process on each core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
# Without a terminal no table is broken, whatever width the shell has exported that runs the tests.
os.environ.pop("COLUMNS", None)
# The suite is of the CPU, the same on every machine: where torch sees a GPU, a process that was forked cannot train.
# tests/test_gpu.py starts processes of its own, with what was said here.
os.environ["DGKD_VISIBLE_GPUS"] = os.environ.get("DGKD_VISIBLE_GPUS", os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
os.environ["CUDA_VISIBLE_DEVICES"] = ""
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

# Under nohup SIGHUP is ignored, in all that a process starts: tests of a closed terminal begin as in a terminal.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

CLASSES = ("ant", "bee", "cow", "dog")


def make_images(samples: int, *, split: str, seed: int, size: int = 8) -> TensorImages:
    """Noise with a bright bar whose height tells the class: learnable in a few steps, flipped or not."""
    random = np.random.Generator(np.random.PCG64(seed))
    labels_N = random.integers(0, len(CLASSES), samples)
    pixels_NIHW = random.integers(0, 100, (samples, 1, size, size), dtype=np.uint8)
    bar = size // len(CLASSES)
    for pixels_IHW, label in zip(pixels_NIHW, labels_N, strict=True):
        pixels_IHW[:, label * bar : (label + 1) * bar] += 120
    return TensorImages(pixels_NIHW, labels_N, classes=CLASSES, name="bars", split=split)


@pytest.fixture(scope="session")
def bars() -> Dataset:
    """100 training and 40 test images, 8 x 8, one channel, four classes."""
    train = make_images(100, split="train", seed=1)
    return Dataset(train=train, test=make_images(40, split="test", seed=2), mean=("0.35",), std=("0.25",))


@pytest.fixture(scope="session")
def plan() -> ViewPlan:
    """crop(1) and hflip, sampled."""
    return ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)", "hflip"], seed=3)


def tiny_model(seed: int, *, width: int = 6) -> nn.Module:
    """A convolution with batch norm and a classifier: what can go wrong in a larger network can go wrong in it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * width, len(CLASSES)),
        ).eval()


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., nn.Module]:
    return tiny_model


@pytest.fixture(scope="session")
def as_input() -> nn.Module:
    """uint8 pixels to float."""

    class Scale(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.float() / 255 - 0.35

    return Scale()


@pytest.fixture(scope="session")
def dump(bars: Dataset, plan: ViewPlan, as_input: nn.Module) -> Callable[..., Path]:
    """dump(path, model, name=..., ...) writes a guide store of the bars and returns its path."""

    def write(
        path: Path,
        model: nn.Module,
        *,
        name: str | None = None,
        train: ViewRenderer | None = None,
        test: ViewRenderer | None = None,
        views: range = range(3),
        mine: range | None = None,
        **settings: object,
    ) -> Path:
        writer = GuideWriter(
            path,
            model,
            lambda pixels: model(as_input(pixels)),
            guide=Provenance(name=name or path.name.removesuffix(".zarr")),
            train=train or ViewRenderer(plan, bars.train),
            test=test or ViewRenderer(plan, bars.test),
            views=views,
            settings=DumpSettings(**{"batch_size": 32, **settings}),
        )
        writer.run(mine=mine)
        return path

    return write


@pytest.fixture(scope="session")
def three_guides(tmp_path_factory: pytest.TempPathFactory, dump: Callable[..., Path]) -> list[Path]:
    """Float32 stores of three untrained models called teacher, ta1 and ta2."""
    folder = tmp_path_factory.mktemp("guides")
    return [
        dump(folder / f"{name}.zarr", tiny_model(seed, width=8 - seed), encoding="float32")
        for seed, name in enumerate(("teacher", "ta1", "ta2"))
    ]


@pytest.fixture
def write(bars, plan, as_input, tmp_path: Path) -> Callable[..., GuideWriter]:
    """A writer of a model, into a folder that is not there before anything is written."""

    def make(model: nn.Module, forward: Callable[[torch.Tensor], object] | None = None, **settings) -> GuideWriter:
        return GuideWriter(
            tmp_path / "guides" / "guide.zarr",
            model,
            forward or (lambda pixels: model(as_input(pixels))),
            guide=Provenance(name="guide"),
            train=ViewRenderer(plan, bars.train),
            test=ViewRenderer(plan, bars.test),
            views=range(2),
            settings=DumpSettings(**{"batch_size": 32, **settings}),
        )

    return make


@pytest.fixture(scope="session")
def _wandb_service() -> Iterator[None]:
    """The process that wandb starts for all runs of a process; after its end no run of this process is whole."""
    import wandb

    yield
    wandb.teardown()


@pytest.fixture
def offline(_wandb_service: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb without a network."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
