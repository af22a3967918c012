"""Colour, geometry and policies beside torchvision v2 per sample, and crop and flip beside what they were before them.

At 32 pixels, each transform renders batches of 128 of a set in memory in one thread; torchvision's own class draws for
itself and changes the same images one by one. The code of before is that of a commit, in a process of its own.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.harness import Span, Timed, Times, arguments, at_least, finish, ratio, rounds, scratch, seconds
from benchmarks.result import Row
from benchmarks.spread import Bar
from benchmarks.synthetic import cifar_like
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.device.device import send
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

BATCH = 128
BEFORE = "caf809a"
"""The last commit with crop, hflip, resized-crop and none alone."""
ROOT = Path(__file__).resolve().parent.parent

SIDES: Sequence[tuple[str, Callable[[], v2.Transform], Bar | None]] = (
    ("rand-augment(2, 9)", lambda: v2.RandAugment(2, 9), at_least(3)),
    ("trivial-augment", v2.TrivialAugmentWide, None),
    ("auto-augment(cifar10)", lambda: v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10), None),
    ("color-jitter(0.4, 0.4, 0.4, 0.1)", lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.1), None),
    ("blur(0.1, 2, 1)", lambda: v2.GaussianBlur(13, (0.1, 2.0)), None),
    ("rotate(15)", lambda: v2.RandomRotation(15), None),
    ("erasing(0.25)", lambda: v2.RandomErasing(0.25), None),
)
"""Ours, torchvision's, and the bar."""


def main(given: Sequence[str] | None = None) -> None:
    defaults: dict[str, int | str] = {"rounds": 15, "batches": 20, "samples": 50_000, "before": BEFORE}
    quick: dict[str, int | str] = {"rounds": 2, "batches": 1, "samples": 1_000}
    options = arguments(__doc__, defaults, quick, given)
    torch.set_num_threads(1)
    rows = _before(options)
    images = cifar_like(options.samples, 10)
    rows += [_beside_torchvision(text, theirs(), images, options, bar=bar) for text, theirs, bar in SIDES]
    notes = (
        [] if "before" in rows[0].what else [f"There is no commit {options.before} here to put crop and flip beside."]
    )
    finish("augment", "Colour, geometry and policies", rows, options, notes)


def _beside_torchvision(text: str, theirs: v2.Transform, images: TensorImages, options: Any, *, bar: Bar | None) -> Row:
    plan = ViewPlan.build(image=(3, 32, 32), transforms=[text])
    views = ViewRenderer(plan, images)
    random = np.random.default_rng(0)
    order = [random.integers(0, options.samples, BATCH) for _ in range(options.batches)]
    view_B, pixels_NIHW = np.zeros(BATCH, np.int64), images.pixels_NIHW
    sides: dict[str, Callable[[np.ndarray[Any, Any]], Tensor]] = {
        "torchvision": lambda samples_B: torch.stack([theirs(pixels_NIHW[i]) for i in samples_B]),
        "views": lambda samples_B: views.pixels(view_B, samples_B),
        "copy": lambda samples_B: pixels_NIHW.index_select(0, send(samples_B, pixels_NIHW.device)),
    }

    def timed(act: Callable[[np.ndarray[Any, Any]], Tensor]) -> Timed:
        return lambda _: seconds(lambda: [act(samples_B) for samples_B in order], options.batches * BATCH)

    times: Times = rounds({name: timed(act) for name, act in sides.items()}, options.rounds)
    return ratio(
        f"32 px, a sample, {text}: torchvision v2 / views",
        times,
        over="torchvision",
        under="views",
        floor=statistics.median(a / b for a, b in zip(times["torchvision"], times["copy"], strict=True)),
        floor_is="rows copied as they are",
        bar=bar,
    )


def _before(options: Any) -> list[Row]:
    """Crop and flip, by the code of a commit and by this one, in two processes that take turns; none without it."""

    def timed(child: Child) -> Timed:
        return lambda _: child.span(options.batches * 10)

    with scratch(options) as folder, ExitStack() as ended:
        if not _unpack(options.before, folder):
            return []
        children = {"before": Child(folder, options.samples), "now": Child(ROOT, options.samples)}
        for child in children.values():
            ended.callback(child.end)
        times = rounds({name: timed(child) for name, child in children.items()}, options.rounds)
    what = "32 px, a sample, crop(4), hflip: before / now"
    return [ratio(what, times, over="before", under="now", floor_is="nothing lost", bar=at_least(0.97))]


class Child:
    """A process of `augment_child.py` with the code of a tree."""

    def __init__(self, tree: Path, samples: int) -> None:
        paths = [str(tree), str(tree / "cli"), str(tree / "stores")]
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "augment_child.py"), str(BATCH), str(samples)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == f"ready {tree}", "the child has the code of its tree"

    def span(self, batches: int) -> Span:
        """The time of one sample, over so many batches."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{batches}\n")
        self._process.stdin.flush()
        found = json.loads(self._line())
        return Span(found["wall"], found["processor"])

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _unpack(commit: str, folder: Path) -> bool:
    """Puts the packages of a commit into a folder; returns whether this is a repository that has it."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, "dgkd_cache", "stores"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        return False
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return True


if __name__ == "__main__":
    main()
