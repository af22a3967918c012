"""Folders of many files: indexed for the first time and again, small images decoded and kept, and an epoch's order.

As many tiny JPEGs as ImageNet has files (5 GB of disk) show what each file costs; they are read as images that do not
fit into memory. Each load is a process of its own (`files_child.py`). Its time is without imports; its memory is the
most that was resident, with Python, torch and the libraries. Files that were just written are in the system's memory.
One process is killed when it has kept half of the files, and the next one tells how many it still reads.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import Span, arguments, at_most, finish, scratch, seconds
from benchmarks.result import Row, Side
from benchmarks.spread import Bar
from dgkd_cache.datasets import indexing
from dgkd_cache.datasets.file_index import RACY_NS
from dgkd_cache.datasets.folder import HOLD_BYTES
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.plan import ViewPlan

IMAGENET = 1_281_167
_PICTURES = 64
"""Tiny pictures that are encoded. A file has the bytes of one, followed by its number, which no decoder reads."""


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 6, "first_rounds": 6, "samples": IMAGENET, "classes": 1000, "small": 100_000}
    quick = {"rounds": 1, "first_rounds": 1, "samples": 3_000, "classes": 4, "small": 400}
    options = arguments(__doc__, defaults, quick, given)
    rows: list[Row] = []
    for samples, side, hold, what in (
        (options.samples, 8, 0, f"{options.samples:,} tiny JPEGs that are not held"),
        (options.small, 32, HOLD_BYTES, f"{options.small:,} JPEGs of 32 x 32, held"),
    ):
        with scratch(options) as folder:
            write_jpegs(folder / "train", samples, options.classes, side)
            time.sleep(RACY_NS / 10**9 + 1)  # what is newer is read each time
            if not hold:
                share = _killed_half_way(folder, samples) / samples
                rows.append(_row(f"{what}: read after a kill half-way", "of all", [share], at_most(0.5)))
            first = [_first_load(folder, hold) for _ in range(options.first_rounds)]
            later = [_load(folder, hold) for _ in range(options.rounds)]
        rows.append(_row(f"{what}: the first time", "s", [one["seconds"] for one in first], None))
        rows.append(_row(f"{what}: again", "s", [one["seconds"] for one in later], at_most(2 if hold else 15)))
        bar = None if hold else at_most(2_000)
        rows.append(_row(f"{what}: memory of the first time", "MB", [one["bytes"] / 1e6 for one in first], bar))
    taken = [_epoch(options.samples) for _ in range(options.rounds)]
    rows.append(_row(f"order and views of an epoch of {options.samples:,} samples", "s", taken, at_most(2)))
    finish("files", "Folders of many files", rows, options)


def write_jpegs(folder: Path, samples: int, classes: int, side: int) -> None:
    """Writes so many JPEGs, each with other bytes, into a folder a class."""
    random = np.random.default_rng(0)
    encoded = []
    for _ in range(_PICTURES):
        Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(file := io.BytesIO(), "JPEG")
        encoded.append(file.getvalue())
    for sample in range(samples):
        place = folder / f"class{sample % classes:04}"
        if sample < classes:
            place.mkdir(parents=True)
        (place / f"{sample:07}.jpg").write_bytes(encoded[sample % _PICTURES] + sample.to_bytes(8, "little"))


def _first_load(folder: Path, hold: int) -> dict[str, float]:
    """Loads a folder of which nothing is known."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return _load(folder, hold)


def _load(folder: Path, hold: int) -> dict[str, float]:
    done = subprocess.run(**_child(folder, hold, keeps=IMAGENET), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _killed_half_way(folder: Path, samples: int) -> int:
    """Kills a first load that has kept at least half of the files; returns how many the next one reads."""
    keeps = min(indexing._KEPT_FILES, samples // 8)
    begun = subprocess.Popen(**_child(folder, 0, keeps=keeps), stdout=subprocess.DEVNULL)
    while begun.poll() is None and keeps * len(list((folder / "cache").rglob("*.files"))) < samples / 2:
        time.sleep(0.001)
    begun.kill()
    begun.wait()
    return int(_load(folder, 0)["read"])


def _child(folder: Path, hold: int, *, keeps: int) -> dict[str, Any]:
    """Returns the arguments that start a load as a process, which keeps what it knows after each `keeps` files."""
    command = [sys.executable, "-m", "benchmarks.files_child", str(folder / "train"), str(hold), str(keeps)]
    return {"args": command, "env": {**os.environ, "DGKD_CACHE_DIR": str(folder / "cache")}}


def _epoch(samples: int) -> Span:
    """Returns the seconds of a shuffled order of all samples and their parameters in one view."""
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(224)", "hflip"])
    run = RunRandom(0)

    def work() -> None:
        order_N = run.order(3, np.arange(samples))
        assert len(plan.parameters(3, 0, samples)[order_N]) == samples

    return seconds(work)


def _row(what: str, unit: str, values: Sequence[float], bar: Bar | None) -> Row:
    side = Side(name="one", median=float(np.median(values)), unit=unit)
    return Row(what=what, unit=unit, samples=tuple(map(float, values)), sides=(side,), higher_is_better=False, bar=bar)


if __name__ == "__main__":
    main()
