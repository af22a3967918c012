"""The softened logits of one guide, in batches that are the same wherever a dump was stopped or its chunks were cut.

Batches go to the device one after the other without a wait between chunks, and stay there until a chunk is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.compute import autocast
from dgkd_cache.guides.side_by_side import side_by_side
from dgkd_cache.views.stream import Pairs, stream
from dgkd_cache.views.views import Views
from dgkd_stores import ChunkSlot

__all__ = ["GuideLogits"]


@dataclass(frozen=True, kw_only=True)
class GuideLogits:
    """`forward` takes uint8 pixels (B, I, H, W) on `device`; on a processor it is called from several threads."""

    forward: Callable[[Tensor], Tensor]
    device: torch.device
    precision: str
    temperature: float
    batch_size: int
    workers: int

    def of_images(self, source: Views) -> NDArray[np.float32]:
        """Logits of all images, not augmented: float32 (N, C)."""
        samples = [np.arange(start, stop) for start, stop in self._cuts(0, len(source.images))]
        pixels = (source.evaluation_pixels(samples_B).to(self.device) for samples_B in samples)
        return torch.cat(list(self._forwarded(pixels))).cpu().numpy()

    def of_view(self, source: Views, view: int, rows: int) -> Iterator[Tensor]:
        """Logits of the first `rows` samples of a view, batch by batch: float32 (B, C) on the device."""
        return self._of_pairs(source, [_pairs(view, start, stop) for start, stop in self._cuts(0, rows)])

    def of_chunks(
        self, source: Views, slots: Sequence[ChunkSlot], done: Callable[[ChunkSlot, int], None]
    ) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
        """Each chunk and its rows, float32 (S, C); `done` is told of every batch, how many rows of the chunk it had."""
        cuts = [list(self._cuts(*self._around(slot, len(source.images)))) for slot in slots]
        pairs = (_pairs(slot.view, *cut) for slot, of_slot in zip(slots, cuts, strict=True) for cut in of_slot)
        batches = self._of_pairs(source, pairs)
        for slot, of_slot in zip(slots, cuts, strict=True):
            rows = []
            for start, stop in of_slot:
                inside = slice(max(slot.start - start, 0), min(slot.stop, stop) - start)
                rows.append(next(batches)[inside])
                done(slot, len(rows[-1]))
            yield slot, torch.cat(rows).cpu().numpy()

    def _around(self, slot: ChunkSlot, samples: int) -> tuple[int, int]:
        """The whole batches of the view that hold the chunk."""
        batch = self.batch_size
        return slot.start // batch * batch, min(-(-slot.stop // batch) * batch, samples)

    def _cuts(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        for cut in range(start, stop, self.batch_size):
            yield cut, min(cut + self.batch_size, stop)

    def _of_pairs(self, source: Views, pairs: Iterable[Pairs]) -> Iterator[Tensor]:
        batches = stream(source, pairs, device=self.device, workers=self.workers)
        return self._forwarded(batch.pixels_BIHW for batch in batches)

    def _forwarded(self, pixels: Iterable[Tensor]) -> Iterator[Tensor]:
        def softened(pixels_BIHW: Tensor) -> Tensor:
            with torch.inference_mode(), autocast(self.device, self.precision):
                return self.forward(pixels_BIHW).float() / self.temperature

        return side_by_side(softened, pixels, device=self.device)


def _pairs(view: int, start: int, stop: int) -> Pairs:
    return np.full(stop - start, view), np.arange(start, stop)
