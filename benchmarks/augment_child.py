"""One process of `augment.py`: it renders so many batches as it is told, and answers with the seconds of a sample.

python benchmarks/augment_child.py BATCH SAMPLES

It is a script with the code of any commit in its path, so it imports nothing of the benchmarks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402 - after the way of waiting is chosen

import dgkd_cache  # noqa: E402 - as above


def main(given: list[str]) -> None:
    batch, samples = map(int, given)
    random = np.random.default_rng(0)
    pixels_NIHW = random.integers(0, 256, (samples, 3, 32, 32), np.uint8)
    labels_N = [0] * samples
    images = dgkd_cache.TensorImages(pixels_NIHW, labels_N, classes=["all"], name="random", split="train")
    plan = dgkd_cache.ViewPlan.build(image=(3, 32, 32), transforms=["crop(4)", "hflip"])
    views = dgkd_cache.ViewRenderer(plan, images)
    order = [random.integers(0, samples, batch) for _ in range(50)]
    view_B = np.zeros(batch, np.int64)
    views.pixels(np.zeros(samples, np.int64), np.arange(samples))  # the table of the view's parameters
    print("ready", Path(str(dgkd_cache.__file__)).resolve().parent.parent, flush=True)
    for line in sys.stdin:
        batches = int(line)
        wall, processor = time.perf_counter(), time.process_time()
        for place in range(batches):
            views.pixels(view_B, order[place % len(order)])
        taken = time.perf_counter() - wall, time.process_time() - processor
        spans = dict(zip(("wall", "processor"), (each / (batches * batch) for each in taken), strict=True))
        print(json.dumps(spans), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
