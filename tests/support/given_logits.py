"""Guides of the bars whose logits a program gives: a linear map of the pixels, as a function and as an iterator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import ChunkSlot

BATCH = 32
VIEWS = range(3)
IDENTITY = {"service": "bars", "version": 3, "members": ["a", "b"]}


class Program:
    """The logits of the bars are 64 pixels times a 64 x 4 matrix; `asked` are the (view, first, last) so far."""

    def __init__(self, bars: Dataset, plan: ViewPlan, *, seed: int = 5) -> None:
        self.train, self.test = ViewRenderer(plan, bars.train), ViewRenderer(plan, bars.test)
        self.weights_PC = np.random.Generator(np.random.PCG64(seed)).normal(size=(64, 4)) / 255
        self.asked: list[tuple[int, int, int]] = []

    def logits(self, view: int, samples_B: NDArray[np.int64]) -> NDArray[np.float32]:
        self.asked.append((view, int(samples_B[0]), int(samples_B[-1])))
        return self.of(self.train.pixels([view] * len(samples_B), samples_B))

    def test_logits(self, samples_B: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.of(self.test.evaluation_pixels(samples_B))

    def of(self, pixels_B1HW: Any) -> NDArray[np.float32]:
        pixels_BP1 = pixels_B1HW.numpy().reshape(-1, 64, 1).astype(np.float64)
        return (pixels_BP1 * self.weights_PC).sum(axis=1).astype(np.float32)  # of a sample, whatever its batch

    def iterator(self, block: ChunkSlot, views: range = VIEWS) -> Iterator[NDArray[np.float32]]:
        samples, begin = len(self.train.images), block.start
        for view in range(block.view, views.stop):
            for start in range(begin, samples, BATCH):
                yield self.logits(view, np.arange(start, min(start + BATCH, samples)))
            begin = 0


def writer_of(
    path: Path,
    program: Program,
    *,
    iterator: Callable[..., Any] | None = None,
    logits: Callable[..., Any] | None = None,
    tests: bool = True,
    identity: Any = IDENTITY,
    views: range = VIEWS,
    **settings: Any,
) -> GuideWriter:
    """The writer of the program's logits, in batches of 32 unless `settings` say otherwise."""
    return GuideWriter.from_logits(
        path,
        logits if logits or iterator else program.logits,
        iterator=iterator,
        identity=identity,
        guide=Provenance(name="given"),
        train=program.train,
        test=program.test if tests else None,
        test_logits=program.test_logits if tests else None,
        views=views,
        settings=DumpSettings(**{"batch_size": BATCH, **settings}),
    )


def files_of(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}
