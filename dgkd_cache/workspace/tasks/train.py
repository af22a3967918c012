"""Train one model of a workspace under its guides."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.device.cores import own_cores
from dgkd_cache.device.device import describe, resolve_device
from dgkd_cache.device.threads import threads_for
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.live import LiveGuides
from dgkd_cache.models.card import ModelCard, load_card, save_model, weights_digest
from dgkd_cache.progress import Progress
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.evaluate import Score, evaluate
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.training.trainer import Trainer
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule, check_schedule
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.archive import move_aside
from dgkd_cache.workspace.recipe import describe_choice, input_choice, resolve_recipe
from dgkd_cache.workspace.run_lock import refuse_linked_files, run_lock
from dgkd_cache.workspace.tasks.finished import finished_run, remove_leftovers
from dgkd_cache.workspace.tasks.model_setup import card_of, dropping_of, new_model, say_input, schedule_kind
from dgkd_cache.workspace.tasks.run_guides import check_guides, open_guides, tell_of_dropping
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import decimal

__all__ = ["expected_inputs", "train_model"]


def train_model(
    ws: Workspace,
    *,
    name: str,
    architecture: str,
    guides: Sequence[Path] = (),
    live: Sequence[Path] = (),
    training: TrainingConfig,
    distillation: DistillationConfig,
    fresh: bool = False,
    take_over: bool = False,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks = ALONE,
) -> ModelCard:
    """Trains `architecture` into `runs/NAME` under cached `guides` (stores) or `live` ones (run folders), or none.

    A finished run of the same inputs is returned as it is, a begun one goes on at its checkpoint. Raises Mismatch,
    naming the settings that differ, where another run has that name, Locked where another process works on it
    (with `take_over`, one of another host is taken for dead), and whatever refuses a guide (see `GuideBank`). With
    `fresh`, what has that name is set aside first, once nothing refuses the new run; a refused run leaves nothing
    behind. All of `ranks` call this; the first one locks, writes and reports, and each is given the card.
    """
    if fresh:
        _refuse_own_guide(ws, name, (*guides, *live))
    where = resolve_device(ranks.device(device))
    temperature = distillation.temperature or ws.config.cache.temperature
    folder = ws.run_folder(name)
    with ranks.joined(where), ExitStack() as opened:
        held = run_lock(folder, name, take_over=take_over, stop=stop) if ranks.first else nullcontext()
        lock = opened.enter_context(held)
        if lock is not None and not fresh:
            refuse_linked_files(folder)
        begun = {} if fresh else record.read_inputs(folder) or {}

        def stopped() -> bool:
            """Asks `stop`; raises Locked once another process has taken the run over."""
            if lock is not None:
                lock.check()
            return stop()

        views = _views_on(ws, where, ranks)
        test = ViewRenderer(ws.plan(), ws.dataset().test.to(where))  # what does not fit is refused before it is trained
        guidance = opened.enter_context(
            open_guides(ws, views, guides, live, temperature, device=where, begun=begun, progress=progress, ranks=ranks)
        )
        asked, training = training, resolve_recipe(training, where, begun=begun, ranks=ranks)
        precision = training.precision
        random = RunRandom(training.seed)
        schedule = _schedule(ws, name, training, random, guided=bool(guides))
        inputs = expected_inputs(
            ws,
            architecture=architecture,
            guides=dict(guidance.identities) if guidance else {},
            live=guidance.precision if isinstance(guidance, LiveGuides) else "",
            training=training,
            distillation=distillation,
        )
        finished = finished_run(folder, name, inputs) if ranks.first and not fresh else None
        if ranks.broadcast(finished is not None):
            progress.say(f"{name} is trained: nothing to do")
            return finished or load_card(folder)
        progress.say(f"{name}: {describe_choice(training, asked, where, begun=begun)}")
        check_guides(ws, guidance, views, where, progress)
        names = guidance.names if guidance else ()
        dropping = dropping_of(distillation, names)
        tell_of_dropping(dropping, names, progress)
        train_N, held_N = split_samples(len(views.images), ws.config.dataset.validation)
        model, preprocess = new_model(ws, architecture, input_size=training.input_size, seed=random.torch_seed())
        say_input(ws, name, preprocess.input_size, progress, why=input_choice(architecture, training))
        height, width = preprocess.network_size(*ws.plan().view_shape[1:])
        opened.enter_context(threads_for(training.batch_size * height * width, where, os.environ))
        transform = preprocess.module(channels_last=bool(training.channels_last)).to(where)

        def validate(current: nn.Module) -> Score:
            return evaluate(current, transform, views, held_N, device=where, precision=precision, ranks=ranks)

        steps = Steps(
            model,
            transform,
            views=views,
            samples_N=train_N,
            schedule=schedule,
            random=random,
            training=training,
            guided=Guided(
                guidance=guidance,
                dropping=dropping,
                objective=distillation.objective,
                lambda_=distillation.lambda_,
                temperature=temperature,
            ),
            device=where,
            ranks=ranks,
        )
        if ranks.first:
            if fresh and (aside := move_aside(ws, name, take_over=take_over, stop=stop)):
                progress.say(f"what was there before lies in {aside}")
            record.write_inputs(folder, inputs)
        trainer = Trainer(steps, validate=validate if len(held_N) else None)
        opened.enter_context(own_cores(where))
        outcome = trainer.run(folder, progress=progress, stop=stopped, name=name, inputs=record.digest(inputs))
        test_M = np.arange(len(test.images))
        score = evaluate(model, transform, test, test_M, device=where, precision=precision, ranks=ranks)
        accuracy = {"test": decimal(round(score.accuracy, 6))}
        if outcome.validation is not None:
            accuracy["validation"] = decimal(round(outcome.validation.accuracy, 6))
        card = card_of(
            ws,
            model,
            preprocess,
            name=name,
            architecture=architecture,
            training=training,
            distillation=distillation,
            guides=guidance.identities if guidance else {},
            live=bool(live),
            epoch=outcome.epoch,
            weights_digest=weights_digest(model),
            accuracy=accuracy,
            seconds=round(outcome.seconds, 3),
            compute={
                **describe(where, precision),
                "threads": torch.get_num_threads(),
                "ranks": ranks.world,
                **ws.dataset().decoding,
            },
            inputs_digest=record.digest(inputs),
        )
        if lock is not None:
            lock.check()
            save_model(folder, model, card)
            remove_leftovers(folder)
        return card


def _refuse_own_guide(ws: Workspace, name: str, guides: Sequence[Path]) -> None:
    """Raises InvalidInput where a run that starts over is one of its own guides: it would set them aside."""
    folders = [(ws.folder / part).resolve() for part in ("guides", "runs")]
    store_or_run = re.compile(re.escape(name) + r"(-\d+-\d+)?")  # as `Workspace.store_path` names stores of other views
    if own := [path for path in guides if store_or_run.fullmatch(path.stem) and path.resolve().parent in folders]:
        raise InvalidInput(
            f"{name} cannot start over as its own guide",
            expected="a run of another name",
            found=", ".join(map(str, own)),
            do="choose another --name",
        )


def expected_inputs(
    ws: Workspace,
    *,
    architecture: str,
    guides: dict[str, str],
    live: str,
    training: TrainingConfig,
    distillation: DistillationConfig,
) -> dict[str, str]:
    """The flat record of all that a run depends on; what only changes its speed is left out.

    `training` is settled: a record holds no `auto`. `live` is the precision of live guides, "" without them.
    """
    recipe = training.model_dump(mode="json", exclude={"checkpoint_steps", "workers"})
    tree: dict[str, Any] = {
        "architecture": architecture,
        "dataset": {
            "digest": ws.dataset().train.digest,
            "test_digest": ws.dataset().test.digest,
            "validation": ws.config.dataset.validation,
            **ws.dataset().decoding,
        },
        "views": {**ws.config.views.model_dump(mode="json"), "plan": ws.plan().digest},
        "training": recipe,
        "guides": guides,
    }
    if guides:
        settings = distillation.model_dump(mode="json", by_alias=True)
        settings["temperature"] = distillation.temperature or ws.config.cache.temperature
        tree |= {"distillation": settings, "live": live or False}
    return record.without_implied(record.flatten(tree))


def _schedule(ws: Workspace, name: str, training: TrainingConfig, random: RunRandom, *, guided: bool) -> Schedule:
    kind, count = schedule_kind(ws, name, training, guided=guided), ws.config.views.count
    check_schedule(ws.plan(), kind, count)
    return Schedule(kind, count, random=random, samples=len(ws.dataset().train))


def _views_on(ws: Workspace, device: torch.device, ranks: Ranks) -> ViewRenderer:
    """The views of the training set."""
    ranks.in_turn(ws.dataset)
    return ViewRenderer(ws.plan(), ws.dataset().train.to(device))
