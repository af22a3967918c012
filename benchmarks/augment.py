"""Colour, geometry and policies beside torchvision v2, and crop and flip beside the code of an earlier commit.

At 32 pixels, each transform renders batches of 128 images in memory in one thread. torchvision's class draws its own
parameters, and changes the same images one by one. The earlier renderer runs in the same process. Mixup and cutmix come
after crop and flip, and stand beside these alone: for each sample they render two, and mix them.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.harness import Timed, Times, arguments, at_least, at_most, finish, ratio, rounds, seconds
from benchmarks.result import Row
from benchmarks.spread import Bar
from benchmarks.synthetic import cifar_like
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.device.device import send
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

BATCH = 128
BEFORE = "caf809a"
"""The last commit that had no other transforms than crop, hflip, resized-crop and none."""
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
"""The text of each transform, what makes torchvision's, and the bar."""

CROP_FLIP = ["crop(4)", "hflip"]
MIXING = ("mixup(0.2)", "cutmix(1)")


def main(given: Sequence[str] | None = None) -> None:
    defaults: dict[str, int | str] = {"rounds": 15, "batches": 20, "samples": 50_000, "before": BEFORE}
    quick: dict[str, int | str] = {"rounds": 2, "batches": 1, "samples": 1_000}
    options = arguments(__doc__, defaults, quick, given)
    torch.set_num_threads(1)
    images = cifar_like(options.samples, 10)
    rows = _before(images, options)
    notes = [] if rows else [f"No commit {options.before} is here to put crop and flip beside."]
    rows += [_beside_torchvision(text, theirs(), images, options, bar=bar) for text, theirs, bar in SIDES]
    rows += [_beside_crop_and_flip(text, images, options) for text in MIXING]
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


def _beside_crop_and_flip(text: str, images: TensorImages, options: Any) -> Row:
    random = np.random.default_rng(0)
    order = [random.integers(0, options.samples, BATCH) for _ in range(5 * options.batches)]

    def timed(transforms: list[str], *, times: int = 1) -> Timed:
        views = ViewRenderer(ViewPlan.build(image=(3, 32, 32), transforms=transforms), images)
        view_B, batches = np.zeros(times * BATCH, np.int64), [np.tile(samples_B, times) for samples_B in order]
        return lambda _: seconds(lambda: [views.pixels(view_B, each_B) for each_B in batches], len(order) * BATCH)

    sides = {
        "mixed": timed([*CROP_FLIP, text]),
        "crop, hflip": timed(CROP_FLIP),
        "two unmixed": timed(CROP_FLIP, times=2),
    }
    times = rounds(sides, options.rounds)
    return ratio(
        f"32 px, a sample, crop(4), hflip, {text} / crop(4), hflip",
        times,
        over="mixed",
        under="crop, hflip",
        floor=statistics.median(a / b for a, b in zip(times["two unmixed"], times["crop, hflip"], strict=True)),
        floor_is="two samples for each, unmixed",
        bar=at_most(4),
    )


def _before(images: TensorImages, options: Any) -> list[Row]:
    """Returns the row of crop and flip by the renderer of a commit and by this one; none without the commit."""
    before = _renderer_of(options.before)
    if before is None:
        return []
    plan = ViewPlan.build(image=(3, 32, 32), transforms=CROP_FLIP)
    random = np.random.default_rng(0)
    order = [random.integers(0, options.samples, BATCH) for _ in range(10 * options.batches)]
    view_B = np.zeros(BATCH, np.int64)

    def timed(views: ViewRenderer) -> Timed:
        return lambda _: seconds(lambda: [views.pixels(view_B, samples_B) for samples_B in order], len(order) * BATCH)

    times = rounds({"before": timed(before(plan, images)), "now": timed(ViewRenderer(plan, images))}, options.rounds)
    what = "32 px, a sample, crop(4), hflip: before / now"
    return [ratio(what, times, over="before", under="now", floor_is="nothing lost", bar=at_least(0.97))]


def _renderer_of(commit: str) -> type[ViewRenderer] | None:
    """Returns the class ViewRenderer of a commit, with its own kernel and tables; None without that commit."""
    for name in ("kernel", "tables", "renderer"):
        command = ["git", "-C", str(ROOT), "show", f"{commit}:dgkd_cache/views/{name}.py"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return None
        module = sys.modules[f"before_{name}"] = ModuleType(f"before_{name}")
        exec(re.sub(r"dgkd_cache\.views\.(kernel|tables)\b", r"before_\1", done.stdout), module.__dict__)
    found: type[ViewRenderer] = sys.modules["before_renderer"].ViewRenderer
    return found


if __name__ == "__main__":
    main()
