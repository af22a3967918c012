"""Trainer: the one training loop, for a model under any guides or none.

Order, views and dropping come from counters of (seed, epoch, step), so a run stopped at any step and resumed takes the
same steps as an uninterrupted one: bitwise on CPU. The loss is read back from the device now and then, not each step.
Several ranks share each batch and take the step of its mean loss; the first one writes and reports.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.compute import autocast, place, send
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.objectives import GuidanceLoss, dense_guidance_loss
from dgkd_cache.errors import DgkdError, Interrupted, InvalidInput
from dgkd_cache.guides.guidance import Guidance, Softened
from dgkd_cache.progress import Progress
from dgkd_cache.ranks import ALONE, Ranks, Share
from dgkd_cache.run_random import RunRandom
from dgkd_cache.settings import TrainingConfig
from dgkd_cache.training.checkpoint import (
    load_checkpoint,
    load_state,
    random_state,
    read_record,
    save_checkpoint,
    save_state,
)
from dgkd_cache.training.compiled import compiled
from dgkd_cache.training.evaluate import Score
from dgkd_cache.training.feed import feed
from dgkd_cache.training.metrics import MetricsLog
from dgkd_cache.training.optimisation import build_optimizer, learning_rate, set_learning_rate
from dgkd_cache.training.parallel import parallel, prepared, require_gradients
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
    epoch; with `training.select` = "best" the weights of its best epoch are the result. Among several `ranks`, all
    make the same trainer and run it, within `ranks.joined`.
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
        ranks: Ranks = ALONE,
    ) -> None:
        assert training.channels_last != "auto", "the recipe was settled at the edge: see training/recipe.py"
        self._device, self._ranks = device, ranks
        self._model = prepared(place(model, device, channels_last=training.channels_last), device, ranks)
        shared = parallel(self._model, device, ranks)
        self._forward: Callable[[Tensor], Tensor] = compiled(shared, device) if training.compile else shared
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

        Raises Interrupted after saving a checkpoint when `stop` of any rank says so (several take one more step first),
        DgkdError when the loss stops being finite.
        """
        ranks = self._ranks
        checkpoint = folder / "checkpoint.safetensors"
        state = _State(self._device)
        # Each rank's own noise for what a network draws by itself, such as dropout.
        torch.manual_seed((self._random.torch_seed() + ranks.rank) % 2**63)
        if ranks.agree(checkpoint.exists()):
            state.restore(read_record(checkpoint), ranks)
            load_checkpoint(checkpoint, self._model, self._optimizer, self._device, rank=ranks.rank)
            progress.say(f"{name}: going on at step {state.step} of {self.steps}")
        log = None
        if ranks.first:
            log = MetricsLog(folder / "metrics.jsonl", resume_epoch=state.step // self.steps_per_epoch)
        total = self._config.epochs * len(self._samples_N)
        epochs, into = divmod(state.step, self.steps_per_epoch)
        done = epochs * len(self._samples_N) + into * self._config.batch_size
        progress.start(f"train {name}", total=total, unit="samples", done=done)
        started = time.perf_counter() - state.seconds

        def save() -> None:
            state.seconds = time.perf_counter() - started
            record, random = state.to_json(ranks), self._random_states()
            if not ranks.first:
                return
            save_checkpoint(checkpoint, self._model, self._optimizer, record, random)
            for other in folder.glob("best-*.safetensors"):
                if state.best is None or other.name != _best_name(state.best["epoch"]):
                    other.unlink()

        first_step, stopped = state.step, ranks.stops(stop)
        self._model.train()
        with closing(self.feed(state.step)) as fed:
            for batch, softened_KBC in fed:
                loss, correct = self.train_step(batch, softened_KBC, state.step)
                if first_step == state.step:
                    require_gradients(self._model, ranks)
                state.add(loss, correct, len(batch.samples_B), counted=self._share(state.step).counted)
                progressed = self._batch_samples(state.step)
                state.step += 1
                figures = f"loss {state.mean_loss():.4f}" if state.step % _SHOW_EVERY == 0 else ""
                progress.advance(progressed, figures)
                if state.step % self.steps_per_epoch == 0:
                    self._end_epoch(state, log, folder, time.perf_counter() - started)
                if stopped():
                    save()
                    raise Interrupted(
                        f"training of {name} was stopped after step {state.step} of {self.steps}",
                        do="run the same command again to go on from there",
                    )
                if state.step % self._config.checkpoint_steps == 0 or state.step % self.steps_per_epoch == 0:
                    save()
        progress.finish()
        outcome = self._outcome(state, folder, time.perf_counter() - started)
        ranks.spread(self._model.state_dict().values())
        return outcome

    def pairs(self, first_step: int) -> Iterator[Pairs]:
        """The (views, samples) of every step from `first_step` on, as far as this rank takes part in them."""
        size = self._config.batch_size
        order = self._random.block_order if self._config.order == "blocks" else self._random.order
        epoch, order_N = -1, self._samples_N
        for step in range(first_step, self.steps):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order_N = order(epoch, self._samples_N)
            start = (step % self.steps_per_epoch) * size
            samples_B = order_N[start : start + size][self._share(step).part]
            yield self._schedule.views(epoch, samples_B), samples_B

    def feed(self, first_step: int) -> Generator[tuple[Batch, Tensor | None]]:
        """The batch of every step from `first_step` on, and its guides' softened logits: what `train_step` takes."""
        guidance = self._guided.guidance

        def render(pairs: Iterator[Pairs]) -> Iterator[Batch]:
            return stream(self._views, pairs, device=self._device, workers=self._config.workers)

        def begin(number: int, pairs: Pairs) -> Softened:
            assert guidance is not None
            return guidance.begin(*pairs, self.keep(first_step + number))

        def expect(pairs: Pairs) -> None:
            assert guidance is not None
            guidance.expect(*pairs)

        return feed(
            self.pairs(first_step),
            render=render,
            begin=None if guidance is None else begin,
            # Only in block order does what is read ahead belong to the next steps.
            expect=expect if self._config.order == "blocks" else None,
        )

    def keep(self, step: int) -> NDArray[np.bool_]:
        """Which guides take part in a step: bool (G,). It depends on the seed and the step alone."""
        guidance = self._guided.guidance
        if guidance is None:
            return np.zeros(0, np.bool_)
        words_G1 = self._random.drop_words(step, len(guidance.names))
        return self._guided.dropping.keep_mask(words_G1, guidance.names)

    def train_step(self, batch: Batch, softened_KBC: Tensor | None, step: int) -> tuple[GuidanceLoss, Tensor]:
        """One step: (the loss and its parts, the number of correct answers before the update as a tensor)."""
        guided, guidance = self._guided, self._guided.guidance
        labels_B = self._labels_N[send(batch.samples_B, self._device)]
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
        weight = self._share(step).weight
        (loss.loss if weight == 1.0 else loss.loss * weight).backward()
        self._optimizer.step()
        return loss, (logits_BC.detach().argmax(1) == labels_B).sum()

    def _batch_samples(self, step: int) -> int:
        """Of all ranks together; the last batch of an epoch is what is left."""
        size = self._config.batch_size
        return min(size, len(self._samples_N) - step % self.steps_per_epoch * size)

    def _share(self, step: int) -> Share:
        return self._ranks.share(self._batch_samples(step))

    def _random_states(self) -> list[dict[str, Tensor]]:
        """Each rank's random state."""
        gathered = {kind: self._ranks.gather(state) for kind, state in random_state(self._device).items()}
        return [{kind: states[rank] for kind, states in gathered.items()} for rank in range(self._ranks.world)]

    def _end_epoch(self, state: _State, log: MetricsLog | None, folder: Path, seconds: float) -> None:
        epoch = state.step // self.steps_per_epoch - 1
        means = state.means(self._ranks)
        if self._ranks.first and not math.isfinite(means["loss"]):
            raise DgkdError(
                f"the loss is not finite in epoch {epoch}",
                expected="a finite loss",
                found=str(means["loss"]),
                do="lower training.lr or train in float32; `train --fresh` starts a run over, `run --remake` a chain",
            )
        line: dict[str, Any] = {"epoch": epoch, "step": state.step, **means, "seconds": round(seconds, 3)}
        line["lr"] = learning_rate(self._config, state.step - 1, self.steps_per_epoch)
        if self._validate is not None:
            self._ranks.spread(self._model.buffers())
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
                if self._config.select == "best" and self._ranks.first:
                    save_state(folder / _best_name(epoch), self._model)
            state.last = {
                "epoch": epoch,
                "accuracy": score.accuracy,
                "loss": score.loss,
                "samples": score.samples,
            }
        if log is not None:
            log.append(line)
        state.reset()

    def _outcome(self, state: _State, folder: Path, seconds: float) -> Outcome:
        chosen = state.last
        if self._config.select == "best" and state.best is not None:
            chosen = state.best
            if self._ranks.first:
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
    """Where a run is, and this rank's sums of its current epoch (on the device, so that no step waits for them)."""

    def __init__(self, device: torch.device) -> None:
        self.step = 0
        self.seconds = 0.0
        self.best: dict[str, Any] | None = None
        self.last: dict[str, Any] | None = None
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, ce, kl, correct
        self._seen = 0

    def add(self, loss: GuidanceLoss, correct: Tensor, samples: int, *, counted: int) -> None:
        """Of a step on `samples`: all of them are counted, or, where every rank took them, on one rank only."""
        if counted:
            means = torch.stack([loss.loss.detach(), loss.ce, loss.kl]).double()
            self._sums[:3] += means * samples
            self._sums[3] += correct
        self._seen += counted

    def mean_loss(self) -> float:
        """Of this rank."""
        return float(self._sums[0]) / max(self._seen, 1)

    def means(self, ranks: Ranks) -> dict[str, float]:
        """Over all ranks."""
        *sums, seen = torch.tensor(self._all(ranks), dtype=torch.float64).sum(0).tolist()
        loss, ce, kl, correct = (value / seen for value in sums)
        return {"loss": loss, "ce": ce, "kl": kl, "train_accuracy": correct}

    def reset(self) -> None:
        self._sums.zero_()
        self._seen = 0

    def to_json(self, ranks: Ranks) -> dict[str, Any]:
        """As all ranks together go on from it; each has to ask."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "last": self.last,
            "sums": self._all(ranks),
        }

    def restore(self, saved: Mapping[str, Any], ranks: Ranks) -> None:
        """As it was; on another number of ranks the first one has all the sums."""
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.best, self.last = saved["best"], saved["last"]
        rows = torch.tensor(saved["sums"], dtype=torch.float64)
        if len(rows) != ranks.world:
            rows = torch.cat([rows.sum(0, keepdim=True), torch.zeros(ranks.world - 1, 5, dtype=torch.float64)])
        self._sums.copy_(rows[ranks.rank, :4])
        self._seen = int(rows[ranks.rank, 4])

    def _all(self, ranks: Ranks) -> list[list[float]]:
        """Each rank's sums, and last how many samples they are of."""
        mine = torch.cat([self._sums.cpu(), torch.tensor([float(self._seen)], dtype=torch.float64)])
        return [row.tolist() for row in ranks.gather(mine)]
