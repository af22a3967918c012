"""Small models with dropout, and the writer of one of their draws over the bars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from support.bars import Scale

__all__ = ["MaskOf", "draw_writer", "with_dropout"]


class MaskOf(nn.Module):
    """Logits (B, 4) that are what `layer` makes of ones: each shows which of four decisions were to keep."""

    def __init__(self, layer: nn.Module, *, shape: tuple[int, ...] = (4,)) -> None:
        super().__init__()
        self.layer, self.shape = layer, shape
        self.one = nn.Parameter(torch.ones(1))
        self.eval()

    def forward(self, images_BIHW: Tensor) -> Tensor:
        return self.layer(self.one.expand(len(images_BIHW), *self.shape).clone()).flatten(1)[:, :4]


def with_dropout(rate: float = 0.5, *, seed: int = 1, middle: nn.Module | None = None) -> nn.Module:
    """A convolution with batch norm and statistics of its own, dropout of channels and of elements, a classifier."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        norm = nn.BatchNorm2d(6)
        assert norm.running_mean is not None
        norm.running_mean.uniform_(-0.1, 0.1)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            norm,
            nn.ReLU(),
            nn.Dropout2d(rate),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            middle or nn.Identity(),
            nn.Dropout(rate),
            nn.Linear(96, 4),
        ).eval()


def draw_writer(
    path: Path,
    bars: Dataset,
    plan: ViewPlan,
    model: nn.Module,
    draw: int | None,
    *,
    forward: Callable[[Tensor], Tensor] | None = None,
    name: str = "ta1",
    views: range = range(2),
    **settings: object,
) -> GuideWriter:
    scale = Scale()
    return GuideWriter(
        path,
        model,
        forward or (lambda pixels: model(scale(pixels))),
        guide=Provenance(name=name),
        train=ViewRenderer(plan, bars.train),
        test=ViewRenderer(plan, bars.test),
        views=views,
        settings=DumpSettings(**{"batch_size": 32, "encoding": "float32", "temperature": 1.0, **settings}),
        draw=draw,
    )
