"""The training steps of a run: their batches, guides and updates.

Order, views and dropping come from counters of (seed, epoch, step), so training can start at any step. Nothing here
opens a file, reads a clock or reports progress: see `Trainer`. Several ranks share each batch and take the step of its
mean loss.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.device.device import autocast, place, send
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.objectives import GuidanceLoss, dense_guidance_loss
from dgkd_cache.distributed.ddp import convert_batch_norm, wrap_ddp
from dgkd_cache.distributed.ranks import ALONE, Ranks, Share
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.protocol import Guidance
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.compilation import compile_forward
from dgkd_cache.training.evaluate import Score, evaluate
from dgkd_cache.training.network_pass import network_pass
from dgkd_cache.training.optimisation import build_optimizer, learning_rate
from dgkd_cache.training.prefetch import prefetch
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_cache.views.stream import Batch, Pairs, stream
from dgkd_stores.arguments import describe_value

__all__ = ["Guided", "Steps"]


@dataclass(frozen=True, kw_only=True)
class Guided:
    """The guides of a model and the settings of their loss; `guidance` None means training from scratch."""

    guidance: Guidance | None
    dropping: Dropping
    objective: str
    lambda_: float
    temperature: float


class Steps:
    """The training steps of `model` on the samples `samples_N` of `views` with the guides of `guided`, numbered from 0.

    `preprocess` converts uint8 pixels to the model's input; `training` has no `auto` left. All `ranks` must make the
    same steps, within `ranks.join`. The attribute `model` is the one whose weights are trained, `count` the number of
    steps in all epochs.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocess: nn.Module,
        *,
        views: ViewRenderer,
        samples_N: NDArray[np.int64],
        schedule: Schedule,
        random: RunRandom,
        training: TrainingConfig,
        guided: Guided,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        assert "auto" not in (training.precision, training.channels_last), "see `resolve_recipe`, which comes before"
        self.device, self.ranks = device, ranks
        self.training, self.random = training, random
        self.model = convert_batch_norm(place(model, device, channels_last=bool(training.channels_last)), device, ranks)
        shared = wrap_ddp(self.model, device, ranks)
        self._forward: Callable[[Tensor], Tensor] = compile_forward(shared, device) if training.compile else shared
        self._preprocess = preprocess
        self.views, self._samples_N, self._schedule = views, samples_N, schedule
        self.guided = guided
        self._labels_N = torch.from_numpy(views.images.labels_N).to(device)
        self.optimizer = build_optimizer(model, training)
        self.steps_per_epoch = math.ceil(len(samples_N) / training.batch_size)
        self.count = training.epochs * self.steps_per_epoch

    def pairs(self, first_step: int) -> Iterator[Pairs]:
        """Yields this rank's (views, samples) of every step from `first_step` on."""
        size = self.training.batch_size
        order = self.random.block_order if self.training.order == "blocks" else self.random.order
        step = first_step
        for epoch in range(first_step // self.steps_per_epoch, self.training.epochs):
            order_N = order(epoch, self._samples_N)
            for views_B, samples_B in self._schedule.batches(epoch, order_N, size, first=step % self.steps_per_epoch):
                part = self.share(step).part
                yield views_B[part], samples_B[part]
                step += 1

    def prefetch(self, first_step: int) -> Generator[tuple[Batch, Tensor | None]]:
        """Returns the batches and softened logits of every step from `first_step` on, for `train_step`."""
        guidance, pairs = self.guided.guidance, self.pairs(first_step)
        render = functools.partial(stream, self.views, device=self.device, workers=self.training.workers)
        if guidance is None:
            return prefetch(pairs, render=render, begin=None)
        return prefetch(
            pairs,
            render=render,
            begin=lambda number, pair: guidance.begin(*pair, self.keep(first_step + number)),
            # Only in block order are neighbouring rows used in the next steps.
            expect=(lambda pair: guidance.expect(*pair)) if self.training.order == "blocks" else None,
        )

    def keep(self, step: int) -> NDArray[np.bool_]:
        """Returns which guides take part in a step: bool (G,). It depends on the seed and the step alone."""
        guidance = self.guided.guidance
        if guidance is None:
            return np.zeros(0, np.bool_)
        words_G1 = self.random.drop_words(step, len(guidance.names))
        return self.guided.dropping.keep_mask(words_G1, guidance.names)

    def train_step(self, batch: Batch, softened_KBC: Tensor | None, step: int) -> tuple[GuidanceLoss, Tensor]:
        """Takes one step; returns (the loss and its parts, the correct predictions before the update as a tensor)."""
        guided, guidance = self.guided, self.guided.guidance
        labels_B = self._labels_N[send(batch.samples_B, self.device)]
        with (
            autocast(self.device, self.training.precision),
            network_pass(batch.pixels_BIHW, "in training", self.ranks),
            _explain_single_sample(),
        ):
            logits_BC = self._forward(self._preprocess(batch.pixels_BIHW))
        _require_rows(logits_BC, len(labels_B))
        loss = dense_guidance_loss(
            logits_BC,
            labels_B,
            softened_KBC,
            guides=0 if guidance is None else len(guidance.names),
            objective=guided.objective,
            lambda_=guided.lambda_,
            temperature=guided.temperature,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        weight = self.share(step).weight
        (loss.loss if weight == 1.0 else loss.loss * weight).backward()
        self.optimizer.step()
        return loss, (logits_BC.detach().argmax(1) == labels_B).sum()

    def score(self, views: ViewRenderer, samples_N: NDArray[np.int64]) -> Score:
        """Returns the model's score on these samples of `views`, not augmented; leaves it in evaluation mode."""
        precision = self.training.precision
        return evaluate(
            self.model, self._preprocess, views, samples_N, device=self.device, precision=precision, ranks=self.ranks
        )

    def learning_rate(self, step: int) -> float:
        """Returns the learning rate of a step."""
        return learning_rate(self.training, step, self.steps_per_epoch)

    def samples_before(self, step: int) -> int:
        """Returns the number of samples of all ranks in the steps before this one."""
        epochs, into = divmod(step, self.steps_per_epoch)
        return epochs * len(self._samples_N) + into * self.training.batch_size

    def share(self, step: int) -> Share:
        """Returns this rank's part of the batch of a step; the last batch of an epoch may be smaller."""
        return self.ranks.share(self.samples_before(step + 1) - self.samples_before(step))


@contextmanager
def _explain_single_sample() -> Iterator[None]:
    """Explains the error of batch norm for one value per channel, as in a last batch of one sample."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InvalidInput(
            "a batch of one sample cannot train this model: its batch normalisation sees one value a channel",
            expected="at least two samples in every batch",
            found="one in the last batch of an epoch",
            do="choose another training.batch_size; `train --fresh` starts a run over, `run --remake` a chain",
        ) from error


def _require_rows(logits: object, batch: int) -> None:
    """Raises InvalidInput unless there is one row for each image, which the check on few images may not show."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != batch:
        raise InvalidInput(
            f"the network does not return one row of logits for each of the {batch} images of a batch",
            expected=f"a tensor [{batch}, classes]",
            found=describe_value(logits),
            do="mend its forward pass: it has to take batches of any size",
        )
