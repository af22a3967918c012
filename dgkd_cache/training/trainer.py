"""Trainer: the one training loop, for a model under any guides or none.

Order, views and dropping come from counters of (seed, epoch, step), so a run stopped at any step and resumed takes the
same steps as an uninterrupted one: bitwise on CPU. The loss is read back from the device now and then, not each step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.compute import autocast, place
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.objectives import GuidanceLoss, dense_guidance_loss
from dgkd_cache.errors import DgkdError, Interrupted, InvalidInput
from dgkd_cache.guides.guidance import Guidance
from dgkd_cache.progress import Progress
from dgkd_cache.run_random import RunRandom
from dgkd_cache.settings import TrainingConfig
from dgkd_cache.training.checkpoint import (
    load_checkpoint,
    load_state,
    read_record,
    save_checkpoint,
    save_state,
)
from dgkd_cache.training.evaluate import Score
from dgkd_cache.training.metrics import MetricsLog
from dgkd_cache.training.optimisation import build_optimizer, learning_rate, set_learning_rate
from dgkd_cache.views.schedule import Schedule
from dgkd_cache.views.stream import Batch, Pairs, stream
from dgkd_cache.views.views import Views

__all__ = ["Guided", "Outcome", "Trainer"]

_SHOW_EVERY = 25  # steps between looks at the loss: each one waits for the device


@dataclass(frozen=True, kw_only=True)
class Guided:
    """How a model learns from its guides; `guidance` None is training from scratch."""

    guidance: Guidance | None
    dropping: Dropping
    objective: str
    lambda_: float
    temperature: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished training: `epoch` is the one whose weights the model now has, `seconds` over all resumptions."""

    epoch: int
    seconds: float
    validation: Score | None


class Trainer:
    """Trains `model` on the samples `samples_N` of `views`, under the guides of `guided`.

    `preprocess` turns uint8 pixels into what the model wants. `validate`, where given, scores the model after each
    epoch; with `training.select` = "best" the weights of its best epoch are the result.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocess: nn.Module,
        *,
        views: Views,
        samples_N: NDArray[np.int64],
        schedule: Schedule,
        random: RunRandom,
        training: TrainingConfig,
        guided: Guided,
        device: torch.device,
        precision: str,
        validate: Callable[[nn.Module], Score] | None = None,
    ) -> None:
        self._device = device
        self._model = place(model, device, channels_last=training.channels_last)
        self._forward: Callable[[Tensor], Tensor] = torch.compile(model) if training.compile else model
        self._preprocess = preprocess
        self._views, self._samples_N, self._schedule = views, samples_N, schedule
        self._random = random
        self._config = training
        self._guided = guided
        self._precision = precision
        self._validate = validate
        self._labels_N = torch.from_numpy(views.images.labels_N).to(device)
        self._optimizer = build_optimizer(model, training)
        self.steps_per_epoch = math.ceil(len(samples_N) / training.batch_size)
        self.steps = training.epochs * self.steps_per_epoch

    def run(
        self,
        folder: Path,
        *,
        progress: Progress,
        stop: Callable[[], bool],
        name: str,
    ) -> Outcome:
        """Trains to the end, from the checkpoint in `folder` where there is one.

        Raises Interrupted after saving a checkpoint when `stop` says so, DgkdError when the loss stops being finite.
        """
        checkpoint = folder / "checkpoint.safetensors"
        state = _State(self._device)
        torch.manual_seed(self._random.torch_seed())
        if checkpoint.exists():
            state.restore(read_record(checkpoint))
            load_checkpoint(checkpoint, self._model, self._optimizer, self._device)
            progress.say(f"{name}: going on at step {state.step} of {self.steps}")
        log = MetricsLog(folder / "metrics.jsonl", resume_epoch=state.step // self.steps_per_epoch)
        total = self._config.epochs * len(self._samples_N)
        epochs, into = divmod(state.step, self.steps_per_epoch)
        done = epochs * len(self._samples_N) + into * self._config.batch_size
        progress.start(f"train {name}", total=total, unit="samples", done=done)
        started = time.perf_counter() - state.seconds

        def save() -> None:
            state.seconds = time.perf_counter() - started
            save_checkpoint(checkpoint, self._model, self._optimizer, state.to_json(), self._device)
            for other in folder.glob("best-*.safetensors"):
                if state.best is None or other.name != _best_name(state.best["epoch"]):
                    other.unlink()

        self._model.train()
        for batch in stream(self._views, self.pairs(state.step), device=self._device, workers=self._config.workers):
            loss, correct = self.train_step(batch, state.step)
            state.add(loss, correct, len(batch.samples_B))
            state.step += 1
            figures = f"loss {state.mean_loss():.4f}" if state.step % _SHOW_EVERY == 0 else ""
            progress.advance(len(batch.samples_B), figures)
            if state.step % self.steps_per_epoch == 0:
                self._end_epoch(state, log, folder, time.perf_counter() - started)
            if stop():
                save()
                raise Interrupted(
                    f"training of {name} was stopped after step {state.step} of {self.steps}",
                    do="run the same command again to go on from there",
                )
            if state.step % self._config.checkpoint_steps == 0 or state.step % self.steps_per_epoch == 0:
                save()
        progress.finish()
        return self._outcome(state, folder, time.perf_counter() - started)

    def pairs(self, first_step: int) -> Iterator[Pairs]:
        """The (views, samples) of every step from `first_step` on."""
        size = self._config.batch_size
        epoch, order_N = -1, self._samples_N
        for step in range(first_step, self.steps):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order_N = self._random.order(epoch, self._samples_N)
            start = (step % self.steps_per_epoch) * size
            samples_B = order_N[start : start + size]
            yield self._schedule.views(epoch, samples_B), samples_B

    def keep(self, step: int) -> NDArray[np.bool_]:
        """Which guides take part in a step: bool (G,). It depends on the seed and the step alone."""
        guidance = self._guided.guidance
        if guidance is None:
            return np.zeros(0, np.bool_)
        words_G1 = self._random.drop_words(step, len(guidance.names))
        return self._guided.dropping.keep_mask(words_G1, guidance.names)

    def train_step(self, batch: Batch, step: int) -> tuple[GuidanceLoss, Tensor]:
        """One step: (the loss and its parts, the number of correct answers before the update as a tensor)."""
        guided, guidance = self._guided, self._guided.guidance
        softened_KBC = None if guidance is None else guidance.softened(batch, self.keep(step))
        labels_B = self._labels_N[torch.from_numpy(batch.samples_B).to(self._device)]
        with autocast(self._device, self._precision), _single_sample_told():
            logits_BC = self._forward(self._preprocess(batch.pixels_BIHW))
        loss = dense_guidance_loss(
            logits_BC,
            labels_B,
            softened_KBC,
            guides=0 if guidance is None else len(guidance.names),
            objective=guided.objective,
            lambda_=guided.lambda_,
            temperature=guided.temperature,
        )
        set_learning_rate(self._optimizer, learning_rate(self._config, step, self.steps_per_epoch))
        self._optimizer.zero_grad(set_to_none=True)
        loss.loss.backward()
        self._optimizer.step()
        return loss, (logits_BC.detach().argmax(1) == labels_B).sum()

    def _end_epoch(self, state: _State, log: MetricsLog, folder: Path, seconds: float) -> None:
        epoch = state.step // self.steps_per_epoch - 1
        means = state.means()
        if not math.isfinite(means["loss"]):
            raise DgkdError(
                f"the loss is not finite in epoch {epoch}",
                expected="a finite loss",
                found=str(means["loss"]),
                do="lower training.lr or train in float32; `train --fresh` starts a run over, `run --remake` a chain",
            )
        line: dict[str, Any] = {"epoch": epoch, "step": state.step, **means, "seconds": round(seconds, 3)}
        line["lr"] = learning_rate(self._config, state.step - 1, self.steps_per_epoch)
        if self._validate is not None:
            score = self._validate(self._model)
            self._model.train()
            line |= {"validation_accuracy": score.accuracy, "validation_loss": score.loss}
            if state.best is None or score.accuracy > state.best["accuracy"]:
                state.best = {
                    "epoch": epoch,
                    "accuracy": score.accuracy,
                    "loss": score.loss,
                    "samples": score.samples,
                }
                if self._config.select == "best":
                    save_state(folder / _best_name(epoch), self._model)
            state.last = {
                "epoch": epoch,
                "accuracy": score.accuracy,
                "loss": score.loss,
                "samples": score.samples,
            }
        log.append(line)
        state.reset()

    def _outcome(self, state: _State, folder: Path, seconds: float) -> Outcome:
        chosen = state.last
        if self._config.select == "best" and state.best is not None:
            chosen = state.best
            load_state(folder / _best_name(chosen["epoch"]), self._model)
        score = chosen and Score(samples=chosen["samples"], accuracy=chosen["accuracy"], loss=chosen["loss"])
        epoch = chosen["epoch"] if chosen else self._config.epochs - 1
        return Outcome(epoch=epoch, seconds=seconds, validation=score or None)


@contextmanager
def _single_sample_told() -> Iterator[None]:
    """Batch norm cannot normalise one value a channel, as a last batch of one sample may leave it in small maps."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InvalidInput(
            "a batch of one sample cannot train this model: its batch normalisation sees one value a channel",
            expected="at least two samples in every batch",
            found="one in the last batch of an epoch",
            do="choose another training.batch_size",
        ) from error


def _best_name(epoch: int) -> str:
    """A file for each epoch: a kill between it and the checkpoint that names it must not mix two epochs' weights."""
    return f"best-{epoch}.safetensors"


class _State:
    """Where a run is, and the sums of its current epoch (on the device, so that no step waits for them)."""

    def __init__(self, device: torch.device) -> None:
        self.step = 0
        self.seconds = 0.0
        self.best: dict[str, Any] | None = None
        self.last: dict[str, Any] | None = None
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, ce, kl, correct
        self._seen = 0

    def add(self, loss: GuidanceLoss, correct: Tensor, samples: int) -> None:
        means = torch.stack([loss.loss.detach(), loss.ce, loss.kl]).double()
        self._sums[:3] += means * samples
        self._sums[3] += correct
        self._seen += samples

    def mean_loss(self) -> float:
        return float(self._sums[0]) / max(self._seen, 1)

    def means(self) -> dict[str, float]:
        loss, ce, kl, correct = (value / self._seen for value in self._sums.tolist())
        return {"loss": loss, "ce": ce, "kl": kl, "train_accuracy": correct}

    def reset(self) -> None:
        self._sums.zero_()
        self._seen = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "last": self.last,
            "sums": self._sums.tolist(),
            "seen": self._seen,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.step, self.seconds, self._seen = saved["step"], saved["seconds"], saved["seen"]
        self.best, self.last = saved["best"], saved["last"]
        self._sums.copy_(torch.tensor(saved["sums"], dtype=torch.float64))
