"""The workloads that a plan times: a dump's batch, a training step, a live guide's forward pass."""

from __future__ import annotations

import itertools
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

from dgkd_cache.dump.header import StoreDraft
from dgkd_cache.estimate.rates import Work
from dgkd_cache.guides.live import LiveGuides
from dgkd_cache.training.steps import Steps
from dgkd_cache.views.renderer import ViewRenderer

__all__ = ["dump_batches", "forward_guides", "train_steps"]


def dump_batches(draft: StoreDraft, *, device: torch.device) -> Work:
    """Yields endless batches of a dump, rendering included, from the first view on; nothing is written.

    On a CPU, a piece has as many batches as torch has threads: they are forwarded in parallel.
    """
    # Read once, before the dump: later each of its threads computes with one torch thread.
    batches_a_piece = torch.get_num_threads() if device.type == "cpu" else 1
    views = itertools.cycle(draft.header.view_range)
    batches = itertools.chain.from_iterable(draft.rehearse(view) for view in views)
    while True:
        yield sum(itertools.islice(batches, batches_a_piece))


def train_steps(steps: Steps) -> Work:
    """Yields all training steps, rendering included."""
    with closing(steps.prefetch(0)) as fed:
        for batch in fed:
            steps.train_step(batch)
            yield len(batch)


def forward_guides(
    guides: LiveGuides, views: ViewRenderer, samples_B: NDArray[np.int64], *, device: torch.device
) -> Work:
    """Yields endless passes of all live guides on one batch, without rendering, which the student needs anyway."""
    views_B = np.zeros_like(samples_B)
    pixels_BIHW = views.pixels(views_B, samples_B).to(device)
    keep_G = np.ones(len(guides.names), np.bool_)
    begun = guides.begin(views_B, samples_B, keep_G)
    while True:
        begun.softened(pixels_BIHW)
        yield len(samples_B)
