"""Streams batches of view pixels: rendered here if the images are in memory, else by workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from dgkd_cache.device.cores import every_core
from dgkd_cache.views.dataset import ViewDataset
from dgkd_cache.views.renderer import ViewRenderer

__all__ = ["Batch", "Pairs", "stream"]

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]  # views_B, samples_B


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A mini-batch before normalisation: its (view, sample) pairs, and their pixels."""

    views_B: NDArray[np.int64]
    samples_B: NDArray[np.int64]
    pixels_BIHW: Tensor  # uint8, on the requested device


def stream(views: ViewRenderer, pairs: Iterable[Pairs], *, device: torch.device, workers: int = 0) -> Iterator[Batch]:
    """Yields one `Batch` for each of `pairs`, in their order.

    Images of one size in memory are rendered here, one call for each batch; otherwise `workers` processes decode and
    render ahead. The pixels are the same in both cases.
    """
    if views.images.pixels_NIHW is not None or workers == 0:
        for views_B, samples_B in pairs:
            pixels = views.pixels(views_B, samples_B).to(device, non_blocking=True)
            yield Batch(views_B=views_B, samples_B=samples_B, pixels_BIHW=pixels)
        return
    loader = DataLoader(
        ViewDataset(views.plan, views.images),
        batch_sampler=(list(zip(views_B.tolist(), samples_B.tolist(), strict=True)) for views_B, samples_B in pairs),
        num_workers=workers,
        # Without its own generator the loader draws from torch's global state, and a resumed run would differ.
        generator=torch.Generator(),
        pin_memory=device.type == "cuda",
        worker_init_fn=every_core,
    )
    for pixels, _, views_B, samples_B, *_ in loader:
        yield Batch(
            views_B=views_B.numpy(), samples_B=samples_B.numpy(), pixels_BIHW=pixels.to(device, non_blocking=True)
        )
