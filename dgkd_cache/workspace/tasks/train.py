"""Trains one model of a workspace with its guides."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dgkd_cache.datasets.split import split_images
from dgkd_cache.device.cores import own_cores
from dgkd_cache.device.device import resolve_device
from dgkd_cache.device.environment import describe
from dgkd_cache.device.threads import threads_for
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.saved import save_model
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.paths import METRICS_FILE
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.training.loggers import LoggedRun, Mirror, open_mirror
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.training.trainer import Outcome, Trainer
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.archive import archive_held_run
from dgkd_cache.workspace.recipe import input_choice
from dgkd_cache.workspace.run_lock import refuse_linked_files, run_lock
from dgkd_cache.workspace.tasks.finished import finished_run, remove_leftovers
from dgkd_cache.workspace.tasks.kept_weights import choose_kept, pruning_record
from dgkd_cache.workspace.tasks.model_setup import card_of, dropping_of, guide_loss_of, new_model, say_input
from dgkd_cache.workspace.tasks.pruned_source import load_source
from dgkd_cache.workspace.tasks.run_guides import check_guides, tell_of_dropping
from dgkd_cache.workspace.tasks.run_setup import RunSetup, TrainRequest, refuse_own_guide, set_up_run
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import decimal
from dgkd_stores.disk import partial_of

__all__ = ["train_model"]


def train_model(
    ws: Workspace,
    request: TrainRequest,
    *,
    take_over: bool = False,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks = ALONE,
) -> ModelCard:
    """Trains the model of `request` and returns its card.

    A finished run of the same inputs is not changed, a begun one continues at its checkpoint. Raises Mismatch, which
    names the settings that differ, if another run has that name, Locked if another process works on it (`take_over`
    takes over one on another host), InvalidInput if the method does not suit the guides, and the errors of refused
    guides (see `GuideBank`). A refused run leaves no files. All of `ranks` must call this; the first one locks, writes
    and reports, and each gets the card.
    """
    # Several ranks stop together, at a step: one that leaves the others while they wait for it would end them.
    ws = ws.stopping(stop) if ranks.alone else ws
    name, folder = request.name, ws.run_folder(request.name)
    _require_whole_batches(request, ranks)
    if request.fresh:
        refuse_own_guide(ws, request)
    where = resolve_device(ranks.device(device))
    with ranks.join(where), ExitStack() as opened:
        held = run_lock(folder, name, take_over=take_over, stop=stop) if ranks.first else nullcontext()
        lock = opened.enter_context(held)
        partial = partial_of if lock is None else lock.partial_of
        if lock is not None and not request.fresh:
            refuse_linked_files(folder)

        def stopped() -> bool:
            """Calls `stop`; raises Locked once another process has taken over the run."""
            if lock is not None:
                lock.check()
            return stop()

        run = set_up_run(ws, request, opened, where, progress, ranks)
        mirror = opened.enter_context(_mirror(request, run, folder, progress, ranks))
        finished = finished_run(folder, name, run.inputs) if ranks.first and not request.fresh else None
        if ranks.broadcast(finished is not None):
            progress.say(f"{name} is trained: nothing to do")
            mirror.begin(read_metrics(folder / METRICS_FILE) if finished and request.log else ())
            return finished or load_card(folder)
        progress.say(f"{name}: {run.choice}")
        check_guides(ws, run.guidance, run.views, where, progress)
        steps, preprocess, held_N = _build(ws, request, run, opened, progress, stopped, ranks)
        if ranks.first:
            if request.fresh and (aside := archive_held_run(ws, name, take_over=take_over, stop=stop)):
                progress.say(f"what was there before lies in {aside}")
            record.write_inputs(folder, run.inputs, partial=partial)
        opened.enter_context(own_cores(where))
        outcome = Trainer(steps, held_N=held_N, test=run.test, test_every=request.test_every).run(
            folder,
            progress=progress,
            stop=stopped,
            name=name,
            inputs=record.digest(run.inputs),
            partial=partial,
            mirror=mirror,
        )
        card = _card(ws, request, run, steps, preprocess, outcome)
        if lock is not None:
            lock.check()
            save_model(folder, steps.model, card, partial=partial)
            remove_leftovers(folder)
        return card


def _mirror(request: TrainRequest, run: RunSetup, folder: Path, progress: Progress, ranks: Ranks) -> Mirror:
    settings = {key: record.recorded_value(run.inputs, key) for key in run.inputs}
    logged = LoggedRun(name=request.name, folder=folder, settings=settings)
    return open_mirror(request.log if ranks.first else (), logged, warn=progress.warn)


def _require_whole_batches(request: TrainRequest, ranks: Ranks) -> None:
    if request.distillation.guide_loss == "dist" and (request.guides or request.live) and not ranks.alone:
        raise InvalidInput(
            "several ranks cannot train with the guide loss dist",
            expected="whole batches, whose samples it compares with one another",
            found=f"{ranks.world} ranks, each with its share of a batch",
            do="train in one process, without torchrun, or choose guide_loss kl or dkd",
        )


def _build(
    ws: Workspace,
    request: TrainRequest,
    run: RunSetup,
    opened: ExitStack,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks,
) -> tuple[Steps, Preprocess, NDArray[np.int64]]:
    """Returns the training steps of a new or pruned model, its preprocessing, and the samples that are held out."""
    training, distillation = run.training, request.distillation
    names = run.guidance.names if run.guidance else ()
    dropping = dropping_of(distillation, names)
    if distillation.lambda_:
        tell_of_dropping(dropping, names, progress)
    train_N, held_N = split_images(run.views.images, ws.config.dataset.validation)
    if request.pruning is not None and run.source is not None:
        model, preprocess = load_source(ws, request.pruning), run.source.preprocess
        why = f"as {request.pruning.source} was trained"
    else:
        model, preprocess = new_model(
            ws, request.architecture, input_size=training.input_size, seed=run.random.torch_seed()
        )
        why = input_choice(request.architecture, training)
    say_input(ws, request.name, preprocess.input_size, progress, why=why)
    height, width = preprocess.network_size(*ws.plan().view_shape[1:])
    opened.enter_context(threads_for(training.batch_size * height * width, run.device, os.environ))
    as_input = Preprocessing(preprocess, channels_last=bool(training.channels_last)).to(run.device)
    keep = None
    if request.pruning is not None:
        keep = choose_kept(ws, request, run, model, as_input, train_N, progress=progress, stop=stop, ranks=ranks)
    steps = Steps(
        model,
        as_input,
        views=run.views,
        samples_N=train_N,
        schedule=run.schedule,
        random=run.random,
        training=training,
        guided=Guided(
            guidance=run.guidance,
            dropping=dropping,
            objective=distillation.objective,
            lambda_=distillation.lambda_,
            guide_loss=guide_loss_of(distillation),
        ),
        device=run.device,
        keep=keep,
        ranks=ranks,
    )
    return steps, preprocess, held_N


def _card(
    ws: Workspace, request: TrainRequest, run: RunSetup, steps: Steps, preprocess: Preprocess, outcome: Outcome
) -> ModelCard:
    scores = {"test": outcome.test, "validation": outcome.validation}
    return card_of(
        ws,
        steps.model,
        preprocess,
        name=request.name,
        architecture=request.architecture,
        training=run.training,
        distillation=request.distillation,
        guides=run.identities,
        live=bool(request.live),
        epoch=outcome.epoch,
        weights_digest=weights_digest(steps.model),
        accuracy={split: decimal(round(score.accuracy, 6)) for split, score in scores.items() if score},
        seconds=round(outcome.seconds, 3),
        compute={
            **describe(run.device, run.training.precision),
            "threads": torch.get_num_threads(),
            "ranks": steps.ranks.world,
            **ws.dataset().decoding,
        },
        inputs_digest=record.digest(run.inputs),
        pruning=_pruning(request, run, steps),
    )


def _pruning(request: TrainRequest, run: RunSetup, steps: Steps) -> dict[str, Any]:
    """Returns what the card of a pruned model says of it, nothing for another one."""
    if request.pruning is None or run.source is None or steps.masks is None:
        return {}
    return pruning_record(request.pruning, run.source.weights_digest, steps.masks)
