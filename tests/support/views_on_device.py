"""Renders views of every exact transform on a device and on the CPU; prints those whose pixels differ, as JSON.

python tests/support/views_on_device.py DEVICE
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import TRANSFORMS
from dgkd_cache.views.renderer import ViewRenderer

SAMPLES = 64


def main(device: str) -> None:
    random = np.random.Generator(np.random.PCG64(2))
    pixels = random.integers(0, 256, (SAMPLES, 3, 32, 32), dtype=np.uint8)
    here = TensorImages(pixels, [0] * SAMPLES, classes=["all"], name="noise", split="train")
    there = here.to(device)
    lists = [
        ["crop(4)", "hflip", one.example or one.name] for one in TRANSFORMS.values() if one.exact and one.stage > 2
    ]
    lists.append(["crop(4)", "hflip", "trivial-augment", "blur", "color-jitter(0.4, 0.4, 0.4, 0.1)", "erasing"])
    different = []
    for transforms in lists:
        plan = ViewPlan.build(image=(3, 32, 32), transforms=transforms)
        views_B, samples_B = np.arange(SAMPLES) % 5, np.arange(SAMPLES)
        found = ViewRenderer(plan, there).pixels(views_B, samples_B)
        if not torch.equal(found.cpu(), ViewRenderer(plan, here).pixels(views_B, samples_B)):
            different.append(transforms)
    print(json.dumps({"device": str(there.pixels_NIHW.device), "lists": len(lists), "different": different}))


if __name__ == "__main__":
    main(sys.argv[1])
