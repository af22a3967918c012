"""Shared pieces of many tests: one thread a process, a tiny data set, a tiny model."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # torch is loaded where a test asks for it: the process that hands out the tests does without
    from torch import nn

    from dgkd_cache.datasets.dataset import Dataset
    from dgkd_cache.dump.writer import GuideWriter
    from dgkd_cache.views.plan import ViewPlan

# Libraries read these when they are loaded, and every process that a test starts inherits them. Sums over threads
# differ in the last bit, one thread is quickest for what is tiny, and pytest-xdist runs a process on each core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
# Without a terminal no table is broken, whatever width the shell has exported that runs the tests.
os.environ.pop("COLUMNS", None)
# The suite is of the CPU, the same on every machine: where torch sees a GPU, a process that was forked cannot train.
# tests/test_gpu.py starts processes of its own, with what was said here.
os.environ["DGKD_VISIBLE_GPUS"] = os.environ.get("DGKD_VISIBLE_GPUS", os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Under nohup SIGHUP is ignored, in all that a process starts: tests of a closed terminal begin as in a terminal.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# What is known of image files is kept in a folder of this process, also by the processes that tests start.
CACHE = os.environ["DGKD_CACHE_DIR"] = tempfile.mkdtemp(prefix="dgkd-cache-tests-")


LONG = {
    *{"test_compare.py", "test_docs_links.py", "test_examples.py", "test_folder_chain.py", "test_hostile.py"},
    *{"test_hostile_runs.py", "test_kill.py", "test_two_ranks.py", "test_waiting.py"},
}
"""Tests of many seconds, and the start of those that share what takes many."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones begin: as the last one of a process, each would let the others wait."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_unconfigure() -> None:
    shutil.rmtree(CACHE, ignore_errors=True)


def pytest_collection_finish() -> None:
    """Freezes the objects that are loaded: no collection of garbage walks through them again; no fork copies them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def bars() -> Dataset:
    """100 training and 40 test images, 8 x 8, one channel, four classes."""
    from support.bars import make_images

    from dgkd_cache.datasets.dataset import Dataset

    train = make_images(100, split="train", seed=1)
    return Dataset(train=train, test=make_images(40, split="test", seed=2), mean=("0.35",), std=("0.25",))


@pytest.fixture(scope="session")
def plan() -> ViewPlan:
    """crop(1) and hflip, sampled."""
    from dgkd_cache.views.plan import ViewPlan

    return ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)", "hflip"], seed=3)


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., nn.Module]:
    from support.bars import tiny_model

    return tiny_model


@pytest.fixture(scope="session")
def as_input() -> nn.Module:
    """uint8 pixels to float."""
    from support.bars import Scale

    return Scale()


@pytest.fixture(scope="session")
def dump(bars: Dataset, plan: ViewPlan) -> Callable[..., Path]:
    """dump(path, model, name=..., ...) writes a guide store of the bars and returns its path."""
    from support.bars import guide_writer

    def write(
        path: Path,
        model: nn.Module,
        *,
        name: str | None = None,
        views: range = range(3),
        mine: range | None = None,
        **settings: object,
    ) -> Path:
        name = name or path.name.removesuffix(".zarr")
        guide_writer(path, bars, plan, model, name=name, views=views, **settings).run(mine=mine)
        return path

    return write


@pytest.fixture(scope="session")
def three_guides(tmp_path_factory: pytest.TempPathFactory, dump: Callable[..., Path]) -> list[Path]:
    """Float32 stores of three untrained models called teacher, ta1 and ta2."""
    from support.bars import tiny_model

    folder = tmp_path_factory.mktemp("guides")
    return [
        dump(folder / f"{name}.zarr", tiny_model(seed, width=8 - seed), encoding="float32")
        for seed, name in enumerate(("teacher", "ta1", "ta2"))
    ]


@pytest.fixture
def write(bars: Dataset, plan: ViewPlan, tmp_path: Path) -> Callable[..., GuideWriter]:
    """A writer of a model, into a folder that is not there before anything is written."""
    from support.bars import guide_writer

    def make(model: nn.Module, forward: Callable[..., object] | None = None, **settings: object) -> GuideWriter:
        path = tmp_path / "guides" / "guide.zarr"
        return guide_writer(path, bars, plan, model, forward, name="guide", views=range(2), **settings)

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
