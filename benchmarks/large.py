"""A folder of JPEGs that are decoded at each use, with cached guides and without.

Photographs are made here (smooth random colours, 500 x 375 pixels), and nothing of them is held in memory: each step
decodes its batch, crops and resizes it, and trains resnet8 on it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness import arguments, finish, ratio, rounds, scratch
from benchmarks.synthetic import random_stores
from benchmarks.training import cached, loop
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

GUIDES, VIEWS = 3, 4
WIDTH, HEIGHT = 500, 375


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 8, "steps": 8, "samples": 2_000, "classes": 100, "size": 64, "batch": 128}
    quick = {"rounds": 1, "steps": 2, "samples": 40, "classes": 4, "size": 32, "batch": 8}
    options = arguments(__doc__, defaults, quick, given)
    with scratch(options) as folder:
        nbytes = _photographs(folder / "train", options.samples, options.classes)
        images = FolderImages(folder / "train", name="photographs", split="train", hold_bytes=0)
        plan = ViewPlan.build(image=(3, None, None), transforms=[f"resized-crop({options.size})", "hflip"])
        views = ViewRenderer(plan, images)
        stores = random_stores(folder, views, GUIDES, count=VIEWS)
        with cached(stores, views, count=VIEWS, device=options.device) as bank:
            sides = {
                name: loop(views, guides, device=options.device, kind="draw", count=VIEWS, batch_size=options.batch)
                for name, guides in (("alone", None), ("3 guides", bank))
            }
            times = rounds({name: side.timed(options.steps) for name, side in sides.items()}, options.rounds)
    row = ratio(
        f"JPEGs at {options.size} px, step alone / with 3 guides cached",
        times,
        over="alone",
        under="3 guides",
        floor_is="guidance for nothing",
    )
    per_second = ", ".join(f"{name} {1 / statistics.median(seconds):.2f}" for name, seconds in times.items())
    notes = [f"Steps a second: {per_second}; {options.samples:,} files of {nbytes / options.samples / 1e3:.0f} kB."]
    finish("large", "A folder of JPEGs, decoded at use", [row], options, notes)


def _photographs(folder: Path, samples: int, classes: int) -> int:
    """So many files in a folder a class; their bytes in all."""
    random = np.random.default_rng(0)
    nbytes = 0
    for sample in range(samples):
        place = folder / f"class{sample % classes:03}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        path = place / f"{sample:06}.jpg"
        coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(path, quality=90)
        nbytes += path.stat().st_size
    return nbytes


if __name__ == "__main__":
    main()
