"""A tiny data set of bars, a tiny model of it, and guide stores of such models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

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


class Scale(nn.Module):
    """uint8 pixels to float."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.float() / 255 - 0.35


def guide_writer(
    path: Path,
    bars: Dataset,
    plan: ViewPlan,
    model: nn.Module,
    forward: Callable[[Tensor], object] | None = None,
    *,
    name: str,
    views: range,
    train: ViewRenderer | None = None,
    test: ViewRenderer | None = None,
    **settings: object,
) -> GuideWriter:
    """A writer of a model's rows over the bars, in batches of 32 unless `settings` say otherwise."""
    as_input = Scale()
    return GuideWriter(
        path,
        model,
        forward or (lambda pixels: model(as_input(pixels))),
        guide=Provenance(name=name),
        train=train or ViewRenderer(plan, bars.train),
        test=test or ViewRenderer(plan, bars.test),
        views=views,
        settings=DumpSettings(**{"batch_size": 32, **settings}),
    )
