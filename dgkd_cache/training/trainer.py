"""Trainer: the training loop, with any guides or none.

A run stopped at any step and resumed takes the same steps as an uninterrupted one: bitwise on CPU. The loss is not read
back from the device at each step. Only the first rank writes and reports.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from dgkd_cache.distributed.ddp import require_gradients
from dgkd_cache.errors import DgkdError, Interrupted
from dgkd_cache.paths import CHECKPOINT_FILE, METRICS_FILE, best_file, leftovers
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.reading import damaged_file
from dgkd_cache.training.checkpoint import (
    load_checkpoint,
    load_state,
    random_state,
    read_checkpoint,
    save_checkpoint,
    save_state,
)
from dgkd_cache.training.evaluate import Score
from dgkd_cache.training.loggers.mirror import Mirror
from dgkd_cache.training.metrics import MetricsLog
from dgkd_cache.training.state import RunState, SavedState
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores.disk import Partial, discard_file, partial_of

__all__ = ["Outcome", "Trainer"]

NONE_N = np.zeros(0, np.int64)

_SHOW_EVERY = 25  # steps between reads of the loss: each read waits for the device

_MANY_TIMES = 3.0
"""The ratio of loss to cross-entropy in the first steps from which on the learning rate may be too large.

Measured (docs/guide.md, "The scale of the loss"): 1.3 to 1.5 without harm, 3.8 to 4.8 where accuracy fell by 15 points.
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a training: `epoch` is that of the model's final weights, `seconds` are over all resumptions.

    `validation` is the score of that epoch on the samples held out, `test` that of the final weights on the test set.
    """

    epoch: int
    seconds: float
    validation: Score | None
    test: Score | None


class Trainer:
    """Runs `steps`, and writes checkpoints and metrics.

    On the samples `held_N`, if there are any, the model is scored after each epoch; with `training.select` = "best" the
    weights of its best epoch are the result. The final weights are scored on all images of `test`; `test_every` N also
    scores those of every N-th epoch, which chooses nothing and changes no weight. All ranks must make the same trainer
    and run it, within `ranks.join`.
    """

    def __init__(
        self,
        steps: Steps,
        *,
        held_N: NDArray[np.int64] = NONE_N,
        test: ViewRenderer | None = None,
        test_every: int = 0,
    ) -> None:
        self._steps, self._held_N = steps, held_N
        self._test, self._test_every = test, test_every

    def run(
        self,
        folder: Path,
        *,
        progress: Progress,
        stop: Callable[[], bool],
        name: str,
        inputs: str | None = None,
        partial: Partial = partial_of,
        mirror: Mirror | None = None,
    ) -> Outcome:
        """Trains to the end, from the checkpoint in `folder` if there is one.

        `inputs` is the digest of the run's inputs, which the checkpoint records; `partial` is that of the run's lock;
        `mirror` gets the lines of the metrics. Raises Damaged (exit 12) if the checkpoint or the metrics have changed,
        Interrupted after saving a checkpoint if `stop` of any rank is true (several ranks take one more step first),
        DgkdError if the loss is not finite.
        """
        steps = self._steps
        ranks, model, per_epoch = steps.ranks, steps.model, steps.steps_per_epoch
        checkpoint = folder / CHECKPOINT_FILE
        state, metrics = RunState(steps.device), None
        # Different noise on each rank for random layers such as dropout.
        torch.manual_seed((steps.random.torch_seed() + ranks.rank) % 2**63)
        if ranks.broadcast(os.path.lexists(checkpoint)):
            metrics = self._resume(checkpoint, state)
            progress.say(f"{name}: going on at step {state.step:,} of {steps.count:,}")
        log = None
        if ranks.first:
            log = MetricsLog(
                folder / METRICS_FILE,
                resume_epoch=state.step // per_epoch,
                digest=metrics,
                partial=partial,
                mirror=mirror,
            )
        done, total = (steps.inputs.samples_before(step) for step in (state.step, steps.count))
        epochs, samples = steps.training.epochs, len(steps.inputs.samples_N)
        amount = f"{epochs:,} {'epoch' if epochs == 1 else 'epochs'} of {samples:,} samples"
        progress.start(f"train {name}", total=total, unit="samples", amount=amount, done=done)
        started = time.perf_counter() - state.seconds

        def save() -> None:
            state.seconds = time.perf_counter() - started
            record, random = state.to_json(ranks), self._random_states()
            if log is None or not np.isfinite(record["sums"]).all():
                return  # the end of the epoch refuses such a loss, and a checkpoint of it could not be read
            record |= {"metrics": log.digest, "inputs": inputs}
            save_checkpoint(checkpoint, model, steps.optimizer, record, random, masks=steps.masks, partial=partial)
            kept = {CHECKPOINT_FILE, best_file(state.best["epoch"]) if state.best else ""}
            for other in leftovers(folder):
                if other.name not in kept:
                    discard_file(other, partial=partial)

        first_step, stopped, loss_text = state.step, ranks.all_reduce_stop(stop), ""
        first_steps = min(_SHOW_EVERY, per_epoch)  # sums are per epoch
        model.train()
        with closing(steps.prefetch(state.step)) as fed:
            for batch in fed:
                loss, correct = steps.train_step(batch)
                if first_step == state.step:
                    require_gradients(model, ranks)
                state.add(loss, correct, len(batch), counted=steps.inputs.share(state.step).counted)
                state.step += 1
                if state.step % _SHOW_EVERY == 0:
                    loss_text = f", loss {state.mean_loss():.4f}"
                if state.step == first_steps and (large := _too_large(steps.guided, state.loss_over_ce())):
                    progress.warn(f"{name}: in the first {first_steps} steps {large}")
                before, done = done, steps.inputs.samples_before(state.step)
                progress.advance(done - before, f"{steps.place(state.step - 1)}{loss_text}")
                if state.step % per_epoch == 0:
                    self._end_epoch(state, log, folder, partial, time.perf_counter() - started, name, progress)
                    loss_text = ""
                if stopped():
                    save()
                    raise Interrupted(
                        f"training of {name} was stopped after step {state.step:,} of {steps.count:,}",
                        do="run the same command again to go on from there",
                    )
                if state.step % steps.training.checkpoint_steps == 0 or state.step % per_epoch == 0:
                    save()
        outcome = self._outcome(state, folder, time.perf_counter() - started)
        ranks.broadcast_tensors(model.state_dict().values())
        if self._test is None:
            progress.finish()
            return outcome
        score = self._score_test(self._test, name, progress)
        progress.finish(f"test accuracy {_percent(score.accuracy)} of {score.samples:,} samples")
        return replace(outcome, test=score)

    def _score_test(self, test: ViewRenderer, name: str, progress: Progress) -> Score:
        samples_M = np.arange(len(test.images))
        return self._steps.score(test, samples_M, what=f"evaluate {name} on test", progress=progress)

    def _resume(self, path: Path, state: RunState) -> str | None:
        """Restores model, optimiser, random state and `state`; returns the checkpoint's digest of the metrics."""
        steps = self._steps
        checkpoint = read_checkpoint(path, steps.model)
        try:
            saved = SavedState.model_validate(checkpoint.record)
        except ValidationError as error:
            raise damaged_file(path, "the record of a run's state", str(error.errors()[0]["msg"])) from error
        if saved.step > steps.count:
            raise damaged_file(path, f"one of {steps.count} steps", f"step {saved.step}")
        state.restore(saved, steps.ranks)
        load_checkpoint(
            checkpoint, steps.model, steps.optimizer, steps.device, rank=steps.ranks.rank, masks=steps.masks
        )
        return saved.metrics

    def _random_states(self) -> list[dict[str, Tensor]]:
        """Returns each rank's random state."""
        ranks = self._steps.ranks
        gathered = {kind: ranks.all_gather(state) for kind, state in random_state(self._steps.device).items()}
        return [{kind: states[rank] for kind, states in gathered.items()} for rank in range(ranks.world)]

    def _end_epoch(
        self,
        state: RunState,
        log: MetricsLog | None,
        folder: Path,
        partial: Partial,
        seconds: float,
        name: str,
        progress: Progress,
    ) -> None:
        """Scores, records and reports the epoch that ends at the state's step."""
        steps = self._steps
        epoch = state.step // steps.steps_per_epoch - 1
        means = state.means(steps.ranks)
        if steps.ranks.first and not math.isfinite(means["loss"]):
            raise DgkdError(
                f"the loss is not finite in epoch {epoch}",
                expected="a finite loss",
                found=str(means["loss"]),
                do="lower training.lr or train in float32; `train --fresh` starts a run over, `run --remake` a chain",
            )
        line: dict[str, Any] = {"epoch": epoch, "step": state.step, **means, "seconds": round(seconds, 3)}
        line["lr"] = steps.learning_rate(state.step - 1)
        said = [steps.place(state.step - 1), f"loss {means['loss']:.4f}"]
        said.append(f"train accuracy {_percent(means['train_accuracy'])}")
        tested = self._test if self._test_every and (epoch + 1) % self._test_every == 0 else None
        if len(self._held_N) or tested:
            steps.ranks.broadcast_tensors(steps.model.buffers())
        if len(self._held_N):
            score = steps.score(steps.views, self._held_N, what=f"evaluate {name} on held-out", progress=progress)
            said.append(f"held-out {_percent(score.accuracy)}")
            line |= {"validation_accuracy": score.accuracy, "validation_loss": score.loss}
            state.last = {"epoch": epoch, **asdict(score)}
            if state.best is None or score.accuracy > state.best["accuracy"]:
                state.best = state.last
                if steps.training.select == "best" and steps.ranks.first:
                    save_state(folder / best_file(epoch), steps.model, partial=partial)
        if tested:
            score = self._score_test(tested, name, progress)
            said.append(f"test {_percent(score.accuracy)}")
            line |= {"test_accuracy": score.accuracy, "test_loss": score.loss}
        progress.say(f"{name}: {', '.join(said)}")
        if log is not None:
            log.append(line)
        state.reset()

    def _outcome(self, state: RunState, folder: Path, seconds: float) -> Outcome:
        steps, chosen = self._steps, state.last
        if steps.training.select == "best" and state.best is not None:
            chosen = state.best
            if steps.ranks.first:
                load_state(folder / best_file(chosen["epoch"]), steps.model)
        if chosen is None:
            return Outcome(epoch=steps.training.epochs - 1, seconds=seconds, validation=None, test=None)
        score = Score(samples=chosen["samples"], accuracy=chosen["accuracy"], loss=chosen["loss"])
        return Outcome(epoch=chosen["epoch"], seconds=seconds, validation=score, test=None)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _too_large(guided: Guided, ratio: float) -> str:
    """Returns a warning if an objective that sums over guides makes the loss many times the cross-entropy, else "".

    One guide, or a mean, may start as high with confident guides without harm.
    """
    guidance = guided.guidance
    if guidance is None or len(guidance.names) < 2 or guided.objective == "mean" or ratio < _MANY_TIMES:
        return ""
    return (
        f"the loss is {ratio:.1f} times the cross-entropy (objective "
        f"{guided.objective}, {len(guidance.names)} guides, lambda {guided.lambda_}, temperature "
        f"{guidance.temperature}): a learning rate that suits training without guides may be too large. "
        'Try a lower training.lr, or objective = "mean", whose scale does not grow with the guides'
    )
