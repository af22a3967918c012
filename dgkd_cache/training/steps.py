"""The training steps of a run: their updates, on the batches and guides of `StepInputs`.

Nothing here opens a file, reads a clock or reports progress: see `Trainer`. Several ranks share each batch and take the
step of its mean loss.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.device.device import autocast, place
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distillation.objectives import KL, GuidanceLoss, ObjectiveName
from dgkd_cache.distributed.ddp import convert_batch_norm, wrap_ddp
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.guides.protocol import Guidance
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_cache.progress import Progress
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.compilation import compile_forward
from dgkd_cache.training.evaluate import Score, evaluate_samples
from dgkd_cache.training.masks import Masks
from dgkd_cache.training.network_pass import network_pass, require_rows
from dgkd_cache.training.optimisation import build_optimizer, learning_rate
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule

__all__ = ["Guided", "Steps"]


@dataclass(frozen=True, kw_only=True)
class Guided:
    """The guides of a model and the settings of their loss; `guidance` None means training from scratch."""

    guidance: Guidance | None
    dropping: Dropping
    objective: ObjectiveName
    lambda_: float
    guide_loss: GuideLoss = KL


class Steps:
    """The training steps of `model` on the samples `samples_N` of `views` with the guides of `guided`, numbered from 0.

    `preprocess` converts uint8 pixels to the model's input; `training` has no `auto` left. `keep` has the masks of a
    pruned model: see `Masks`, the attribute `masks`. All `ranks` must make the same steps, within `ranks.join`. The
    attribute `model` is the one whose weights are trained, `count` the number of steps in all epochs, and `inputs` what
    each step gets.
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
        keep: Mapping[str, Tensor] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        assert "auto" not in (training.precision, training.channels_last), "see `resolve_recipe`, which comes before"
        self.device, self.ranks = device, ranks
        self.training, self.random = training, random
        self.model = convert_batch_norm(place(model, device, channels_last=bool(training.channels_last)), device, ranks)
        self.masks = None if keep is None else Masks(self.model, keep)
        shared = wrap_ddp(self.model, device, ranks)
        self._forward: Callable[[Tensor], Tensor] = compile_forward(shared, device) if training.compile else shared
        self._preprocess = preprocess
        self.views, self.guided = views, guided
        self.inputs = StepInputs(
            views=views,
            samples_N=samples_N,
            schedule=schedule,
            random=random,
            guidance=guided.guidance,
            dropping=guided.dropping,
            batch_size=training.batch_size,
            order=training.order,
            workers=training.workers,
            device=device,
            ranks=ranks,
        )
        self.optimizer = build_optimizer(model, training)
        self.steps_per_epoch = self.inputs.steps_per_epoch
        self.count = training.epochs * self.steps_per_epoch

    def prefetch(self, first_step: int) -> Generator[GuidedBatch]:
        """Returns the inputs of every step from `first_step` on, for `train_step`."""
        return self.inputs.prefetch(first_step, self.count)

    def train_step(self, batch: GuidedBatch) -> tuple[GuidanceLoss, Tensor]:
        """Takes one step; returns (the loss and its parts, the correct predictions before the update as a tensor).

        Of an image that mixes two samples, the prediction of its own sample's label alone is correct.
        """
        with (
            autocast(self.device, self.training.precision),
            network_pass(batch.pixels, "in training", self.ranks),
            _explain_single_sample(),
        ):
            logits_BC = self._forward(self._preprocess(batch.pixels))
        require_rows(logits_BC, len(batch))
        loss = batch.loss_parts(
            logits_BC,
            objective=self.guided.objective,
            lambda_=self.guided.lambda_,
            guide_loss=self.guided.guide_loss,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(batch.step)
        self.optimizer.zero_grad(set_to_none=True)
        (loss.loss * batch.weight).backward()
        if self.masks is not None:
            self.masks.mask_gradients()
        self.optimizer.step()
        if self.masks is not None:
            self.masks.apply()
        return loss, (logits_BC.detach().argmax(1) == batch.labels).sum()

    def score(self, views: ViewRenderer, samples_N: NDArray[np.int64], *, what: str, progress: Progress) -> Score:
        """Returns the model's score on these samples of `views`, not augmented, in evaluation mode.

        The task is called `what` in `progress`.
        """
        return evaluate_samples(
            self.model,
            lambda pixels_BIHW: self.model(self._preprocess(pixels_BIHW)),
            views,
            samples_N,
            device=self.device,
            precision=self.training.precision,
            what=what,
            progress=progress,
            ranks=self.ranks,
        )

    def place(self, step: int) -> str:
        """Describes where a step is: "epoch 3/160, step 1,173/62,560", from 1."""
        epoch = step // self.steps_per_epoch + 1
        return f"epoch {epoch:,}/{self.training.epochs:,}, step {step + 1:,}/{self.count:,}"

    def learning_rate(self, step: int) -> float:
        """Returns the learning rate of a step."""
        return learning_rate(self.training, step, self.steps_per_epoch)


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
