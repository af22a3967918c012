"""Evaluation on un-augmented images, in batches of a fixed size and in index order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from dgkd_cache.device.device import autocast
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.progress import Progress, Silent
from dgkd_cache.training.network_pass import network_pass
from dgkd_cache.views.renderer import ViewRenderer

__all__ = ["Score", "evaluate"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Top-1 accuracy in [0, 1] and mean cross-entropy in nats over `samples` images."""

    samples: int
    accuracy: float
    loss: float


def evaluate(
    model: nn.Module,
    preprocess: nn.Module,
    views: ViewRenderer,
    samples_N: NDArray[np.int64],
    *,
    device: torch.device,
    precision: str,
    batch_size: int = 512,
    what: str = "evaluate",
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Score:
    """Returns the model's score on the un-augmented images `samples_N`; leaves it in evaluation mode.

    The task is called `what` in `progress`. `ranks` share the batches, and each gets the score over all batches.
    """
    progress = progress or Silent()
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    labels_N = torch.from_numpy(views.images.labels_N[samples_N]).to(device)
    progress.start(what, total=len(samples_N), unit="samples")
    cuts = range(0, len(samples_N), batch_size)
    for start in cuts[ranks.rank :: ranks.world]:
        samples_B = samples_N[start : start + batch_size]
        labels_B = labels_N[start : start + batch_size]
        pixels_BIHW = views.evaluation_pixels(samples_B).to(device)
        with torch.inference_mode(), autocast(device, precision):
            with network_pass(pixels_BIHW, "when it is evaluated", ranks):
                logits_BC = model(preprocess(pixels_BIHW)).float()
            correct += (logits_BC.argmax(1) == labels_B).sum()
            loss += F.cross_entropy(logits_BC, labels_B, reduction="sum").double()
        progress.advance(len(samples_B))
    progress.finish()
    sums = torch.stack(ranks.all_gather(torch.stack([correct.double(), loss]))).sum(0)
    count = len(samples_N)
    return Score(samples=count, accuracy=sums[0].item() / count, loss=sums[1].item() / count)
