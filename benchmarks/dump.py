"""A whole dump beside the bare evaluation forward of the same model, and two processes beside one.

The bare side forwards the same rows in the same batches, already rendered and in memory, and throws the logits away; it
normalises, as a forward pass of uint8 pixels must. It does so in a plain loop, whose threads share each batch, and once
more as the dump does, batches side by side. The dump renders views, softens, encodes, hashes, writes and syncs.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import (
    Stopwatch,
    Timed,
    Times,
    arguments,
    at_least,
    finish,
    ratio,
    rounds,
    scratch,
    seconds,
    synchronize,
)
from benchmarks.result import Row
from benchmarks.synthetic import PREPROCESS, cifar_like, views_of
from dgkd_cache.device.autotune import Combination
from dgkd_cache.device.device import autocast, choose, place
from dgkd_cache.dump.encoding_error import encoding_error_rows
from dgkd_cache.dump.parallel_batches import forward_parallel
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.registry import build_model

BATCH = 512
VIEWS = 2


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 6, "samples": 8_000, "test_samples": 500, "classes": 100}
    processes = {"process_rounds": 6, "process_samples": 10_000}
    models = {"model": "resnet20", "process_model": "resnet8"}
    quick = {"rounds": 2, "samples": 512, "test_samples": 64, "process_rounds": 1, "process_samples": 512}
    options = arguments(__doc__, {**defaults, **processes, **models}, quick, given)
    combination = choose(options.device)
    job = Job(
        options.samples,
        options.test_samples,
        options.classes,
        options.model,
        device=options.device,
        combination=combination,
    )
    with scratch(options) as folder:
        sides = {"forward": job.forward(), "forward, side by side": job.forward(at_once=True), "dump": job.dump(folder)}
        times: Times = rounds(sides, options.rounds)
        rows = [
            ratio(
                f"{options.model}, {options.classes} classes: {forward} alone / dump",
                times,
                over=forward,
                under="dump",
                floor_is="the forward pass alone",
                bar=at_least(0.93),
            )
            for forward in ("forward", "forward, side by side")
        ]
        notes = [f"{job.rows:,} rows a dump: {job.rows / statistics.median(times['dump']):,.0f} rows a second."]
        cores = sorted(os.sched_getaffinity(0))[:2]
        if options.device.type == "cpu" and len(cores) == 2:
            shares = [options.process_samples, options.test_samples, options.classes, options.process_model]
            how = [combination.precision, int(combination.channels_last)]
            rows.append(_shared(folder, cores, [str(one) for one in (*shares, *how)], options.process_rounds))
            notes.append(
                f"Processes dump {options.process_model}, each pinned to its core with one thread; the clock runs from "
                "when all are ready (Python, torch and images loaded) to when the store is sealed. Each forwards the "
                "test set and the rows of the encoding error by itself."
            )
        else:
            notes.append("Two processes were not tried: that takes two cores and no other device.")
    finish("dump", "Dumping a guide", rows, options, notes)


class Job:
    """One guide over two views of random images: what is dumped, and what is forwarded."""

    def __init__(
        self,
        samples: int,
        test_samples: int,
        classes: int,
        architecture: str,
        *,
        device: torch.device,
        combination: Combination,
    ) -> None:
        self.train = views_of(cifar_like(samples, classes))
        self.test = views_of(cifar_like(test_samples, classes, split="test"))
        assert self.train.images.digest, "taken once for a data set, not for a dump"
        model = build_model(architecture, channels=3, classes=classes, height=32, width=32, seed=0)
        self._model = place(model, device, channels_last=combination.channels_last).eval()
        self._preprocess = Preprocessing(PREPROCESS, channels_last=combination.channels_last).to(device)
        self._device, self._precision = device, combination.precision
        self.rows = VIEWS * samples + test_samples + encoding_error_rows(samples)

    def writer(self, path: Path) -> GuideWriter:
        return GuideWriter(
            path,
            self._model,
            self._logits,
            guide=Provenance(name="guide"),
            train=self.train,
            test=self.test,
            views=range(VIEWS),
            settings=DumpSettings(batch_size=BATCH, precision=self._precision),
            device=self._device,
        )

    def dump(self, folder: Path) -> Timed:
        """The seconds of `GuideWriter.run`, from nothing to a sealed store."""

        def side(i: int) -> float:
            path = folder / "guide.zarr"
            writer = self.writer(path)
            taken = seconds(writer.run)
            shutil.rmtree(path)
            return taken

        return side

    def forward(self, *, at_once: bool = False) -> Timed:
        """The seconds of the forward passes of a dump: its views, the test set and the rows of the encoding error.

        Batch after batch in a plain loop, or `at_once` as the dump forwards them.
        """
        rendered = self._rendered()
        assert sum(map(len, rendered)) == self.rows

        def bare(pixels_BIHW: Tensor) -> Tensor:
            with torch.inference_mode(), autocast(self._device, self._precision):
                return self._logits(pixels_BIHW)

        def side(_: int) -> float:
            synchronize(self._device)
            stopwatch = Stopwatch()
            for _logits_BC in forward_parallel(bare, rendered, device=self._device) if at_once else map(bare, rendered):
                pass
            synchronize(self._device)
            return stopwatch.span()

        return side

    def _rendered(self) -> list[Tensor]:
        train, test = self.train.images, self.test.images
        cuts = [np.arange(i, min(i + BATCH, len(train))) for i in range(0, len(train), BATCH)]
        batches = [self.train.pixels(np.full(len(s), view), s).to(self._device) for view in range(VIEWS) for s in cuts]
        few = encoding_error_rows(len(train))
        batches += [pixels[: few - i * BATCH] for i, pixels in enumerate(batches[: -(-few // BATCH)])]
        tested = self.test.evaluation_pixels(np.arange(len(test))).to(self._device)
        return [*batches, *tested.split(BATCH)]

    def _logits(self, pixels_BIHW: Tensor) -> Tensor:
        logits_BC: Tensor = self._model(self._preprocess(pixels_BIHW))
        return logits_BC


def _shared(folder: Path, cores: Sequence[int], job: Sequence[str], count: int) -> Row:
    """One process on one core beside two on two; the ceiling counts the rows that each must forward."""
    times = rounds(
        {"one process": _processes(folder, cores[:1], job), "two processes": _processes(folder, cores, job)}, count
    )
    shared = VIEWS * int(job[0])
    doubled = int(job[1]) + encoding_error_rows(int(job[0]))
    return ratio(
        "one process on one core / two processes on two",
        times,
        over="one process",
        under="two processes",
        floor=(shared + doubled) / (shared / 2 + doubled),
        floor_is="rows that each forwards",
        bar=at_least(1.5),
    )


def _processes(folder: Path, cores: Sequence[int], job: Sequence[str]) -> Timed:
    """One process a core, each with its share of the views; they start together once all are ready."""

    def side(_: int) -> float:
        path = folder / "shared.zarr"
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.dump_share", str(path), f"{i}/{len(cores)}", str(core), *job],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for i, core in enumerate(cores)
        ]
        for child in children:
            assert child.stdout is not None and child.stdout.readline() == "ready\n", "the child says what is wrong"
        started = time.perf_counter()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        ends = [child.stdout.readline() for child in children if child.stdout is not None]
        taken = time.perf_counter() - started
        assert ends == ["done\n"] * len(children) and not any(child.wait() for child in children)
        shutil.rmtree(path)
        return taken

    return side


if __name__ == "__main__":
    main()
