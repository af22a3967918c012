"""StepInputs: the batches and guides of every step of a run, for our own training and for `GuideBank.loader`.

Order, views and dropping come from counters of (seed, epoch, step), so a run can start at any step. Several ranks share
each batch. Rows are read ahead on a thread: see `prefetch`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distributed.ranks import ALONE, Ranks, Share
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.guides.prefetch import prefetch
from dgkd_cache.guides.protocol import Begun, Guidance
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_cache.views.stream import Batch, Pairs, stream

__all__ = ["StepInputs"]


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """The inputs of the steps of a run on the samples `samples_N` of `views`, numbered from 0.

    `guidance` None means no guides. `order` is `shuffled`, or `blocks`: neighbouring samples stay together, for stores
    larger than memory. `workers` processes decode images that are not in memory.
    """

    views: ViewRenderer
    samples_N: NDArray[np.int64]
    schedule: Schedule
    random: RunRandom
    guidance: Guidance | None
    dropping: Dropping
    batch_size: int
    order: str
    workers: int
    device: torch.device
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        """Raises as `ViewRenderer.require_partners`."""
        self.views.require_partners(self.samples_N)

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps of an epoch; the last one may have fewer samples."""
        return math.ceil(len(self.samples_N) / self.batch_size)

    def pairs(self, first_step: int, last_step: int) -> Iterator[Pairs]:
        """Yields this rank's (views, samples) of the steps `first_step` to `last_step - 1`."""
        order = self.random.block_order if self.order == "blocks" else self.random.order
        step = first_step
        while step < last_step:
            epoch, first = divmod(step, self.steps_per_epoch)
            order_N = order(epoch, self.samples_N)
            for views_B, samples_B in self.schedule.batches(epoch, order_N, self.batch_size, first=first):
                if step == last_step:
                    return
                part = self.share(step).part
                yield views_B[part], samples_B[part]
                step += 1

    def prefetch(self, first_step: int, last_step: int) -> Generator[GuidedBatch]:
        """Yields the inputs of the steps `first_step` to `last_step - 1`; closing it ends what reads ahead."""
        pairs = self.pairs(first_step, last_step)
        render = functools.partial(stream, self.views, device=self.device, workers=self.workers)
        guidance, step = self.guidance, first_step
        if guidance is None:
            for batch in render(pairs):
                shape = 0, len(batch.samples_B), len(self.views.images.classes)
                yield self._guided(batch, step, self.keep(step), torch.empty(shape, device=self.device))
                step += 1
            return

        def begin(number: int, pair: Pairs) -> tuple[NDArray[np.bool_], Begun]:
            keep_G = self.keep(first_step + number)  # drawn before any row is read
            return keep_G, guidance.begin(*pair, keep_G)

        # Only in block order are neighbouring rows used in the next steps.
        expect = (lambda pair: guidance.expect(*pair)) if self.order == "blocks" else None
        with closing(prefetch(pairs, render=render, begin=begin, expect=expect)) as fed:
            for batch, (keep_G, begun) in fed:
                yield self._guided(batch, step, keep_G, begun.softened(batch.pixels_BIHW))
                step += 1

    def keep(self, step: int) -> NDArray[np.bool_]:
        """Returns which guides take part in a step: bool (G,). It depends on the seed and the step alone."""
        if self.guidance is None:
            return np.zeros(0, np.bool_)
        return self.dropping.keep_mask(self.random, step, self.guidance.names)

    def samples_before(self, step: int) -> int:
        """Returns the number of samples of all ranks in the steps before this one."""
        epochs, into = divmod(step, self.steps_per_epoch)
        return epochs * len(self.samples_N) + into * self.batch_size

    def share(self, step: int) -> Share:
        """Returns this rank's part of the batch of a step; the last batch of an epoch may be smaller."""
        return self.ranks.share(self.samples_before(step + 1) - self.samples_before(step))

    @cached_property
    def _labels_N(self) -> Tensor:
        return torch.from_numpy(self.views.images.labels_N).to(self.device)

    def _guided(self, batch: Batch, step: int, keep_G: NDArray[np.bool_], softened_KBC: Tensor) -> GuidedBatch:
        mixed: dict[str, Tensor] = {}
        if (found := self.views.mixed_with(batch.views_B, batch.samples_B)) is not None:
            partners_B, share_B = found
            mixed["partner_labels"] = self._labels_N[send(partners_B, self.device)]
            mixed["label_share"] = send(share_B.astype(np.float32), self.device)
        return GuidedBatch(
            pixels=batch.pixels_BIHW,
            labels=self._labels_N[send(batch.samples_B, self.device)],
            softened=softened_KBC,
            kept=keep_G,
            views=batch.views_B,
            samples=batch.samples_B,
            epoch=step // self.steps_per_epoch,
            step=step,
            temperature=1.0 if self.guidance is None else self.guidance.temperature,
            weight=self.share(step).weight,
            topk_names=() if self.guidance is None else self.guidance.topk_names,
            **mixed,
        )
