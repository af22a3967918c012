"""Train one model of a workspace under its guides."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dgkd_cache.compute import describe, resolve_device, resolve_precision
from dgkd_cache.cores import own_cores
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.guidance import Guidance
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.models.card import ModelCard, load_card, save_model, weights_digest
from dgkd_cache.progress import Progress
from dgkd_cache.ranks import ALONE, Ranks
from dgkd_cache.run_random import RunRandom
from dgkd_cache.settings import DistillationConfig, TrainingConfig
from dgkd_cache.threads import threads_for
from dgkd_cache.training.evaluate import Score, evaluate
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.training.trainer import Trainer
from dgkd_cache.views.schedule import Schedule, check_schedule
from dgkd_cache.views.views import Views
from dgkd_cache.workspace import inputs as record
from dgkd_cache.workspace.aside import move_aside
from dgkd_cache.workspace.jobs.finished import finished_run, remove_leftovers
from dgkd_cache.workspace.jobs.fit import (
    card_of,
    dropping_of,
    load_run,
    new_model,
    ready,
    require_same_data,
    say_input,
    schedule_kind,
)
from dgkd_cache.workspace.recipe import describe_choice, input_choice, settled
from dgkd_cache.workspace.run_lock import refuse_linked_files, run_lock
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import decimal
from dgkd_stores.reading.chunks import MAX_DECODED_BYTES

__all__ = ["expected_inputs", "train_model"]

_REHEARSED = 32
"""Images that each live guide forwards twice before anything is written: less than a usual batch in all."""


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
    naming the settings that differ, where another run has that name, StoreLocked where another process works on it
    (with `take_over`, one of another host is taken for dead), and whatever refuses a guide (see `GuideBank`). With
    `fresh`, what has that name is set aside first, once nothing refuses the new run; a refused run leaves nothing
    behind. All of `ranks` call this; the first one locks, writes and reports, and each is given the card.
    """
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
            """Asks `stop`; raises StoreLocked once another process has taken the run over."""
            if lock is not None:
                lock.check()
            return stop()

        views = _views_on(ws, where, ranks)
        test = Views(ws.plan(), ws.dataset().test.to(where))  # what does not fit is refused before it is trained
        guidance = opened.enter_context(
            _guidance(ws, views, guides, live, temperature, device=where, begun=begun, progress=progress, ranks=ranks)
        )
        asked, training = training, settled(training, where, begun=begun, ranks=ranks)
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
        if ranks.agree(finished is not None):
            progress.say(f"{name} is trained: nothing to do")
            return finished or load_card(folder)
        progress.say(f"{name}: {describe_choice(training, asked, where, begun=begun)}")
        if isinstance(guidance, GuideBank):
            _tell_of_validation(ws, guidance, progress)
            _tell_of_decoding(ws, guidance, progress)
            _tell_of_reader(guidance, progress)
        elif isinstance(guidance, LiveGuides):
            samples_B = np.arange(min(len(views.images), _REHEARSED))
            pixels_BIHW = views.pixels(np.zeros_like(samples_B), samples_B).to(where)
            guidance.rehearse(pixels_BIHW, classes=len(views.images.classes))
        names = guidance.names if guidance else ()
        dropping = dropping_of(distillation, names)
        _tell_of_dropping(dropping, names, progress)
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


def _tell_of_dropping(rule: Dropping, names: Sequence[str], progress: Progress) -> None:
    if names and not any(rule.kept_share(names)):
        setting = f"drop = {rule.drop}" if rule.kind == "fixed" else f"keep = {rule.keep:g}"
        progress.warn(f"dropping = {rule.kind} with {setting} leaves none of the {len(names)} guides")


def _schedule(ws: Workspace, name: str, training: TrainingConfig, random: RunRandom, *, guided: bool) -> Schedule:
    kind, count = schedule_kind(ws, name, training, guided=guided), ws.config.views.count
    check_schedule(ws.plan(), kind, count)
    return Schedule(kind, count, random=random, samples=len(ws.dataset().train))


def _views_on(ws: Workspace, device: torch.device, ranks: Ranks) -> Views:
    """The views of the training set."""
    ranks.in_turn(ws.dataset)
    return Views(ws.plan(), ws.dataset().train.to(device))


@contextmanager
def _guidance(
    ws: Workspace,
    views: Views,
    guides: Sequence[Path],
    live: Sequence[Path],
    temperature: float,
    *,
    device: torch.device,
    begun: Mapping[str, str],
    progress: Progress,
    ranks: Ranks,
) -> Iterator[Guidance | None]:
    """The guides of a run, open for as long as it takes; live ones go on in the precision that `begun` records."""
    assert not (guides and live), "guides are either cached or live"
    if guides:
        with GuideBank(
            guides,
            views=views,
            scheduled=range(ws.config.views.count),
            temperature=temperature,
            device=device,
            reader=ws.config.cache.reader,
        ) as bank:
            yield bank
    elif live:
        # In the precision of a dump, so that cached and live guides say the same.
        before = str(record.recorded(begun, "live"))
        precision = resolve_precision(ws.config.cache.precision, device, begun=before, ranks=ranks)
        loaded = [_live_guide(ws, folder, device, progress) for folder in live]
        yield LiveGuides(
            loaded,
            temperature=temperature,
            device=device,
            precision=precision,
            accept_probabilities=ws.config.cache.accept_probabilities,
        )
    else:
        yield None


def _live_guide(ws: Workspace, folder: Path, device: torch.device, progress: Progress) -> LiveGuide:
    model, card = load_run(ws, folder.name, folder)
    require_same_data(ws, card, folder, test=False)
    say_input(ws, card.name, card.preprocess.input_size, progress, why="as it was trained")
    model, transform = ready(model, card, device)
    return LiveGuide(name=card.name, identity=card.weights_digest, preprocess=transform, model=model)


def _tell_of_validation(ws: Workspace, bank: GuideBank, progress: Progress) -> None:
    """A guide that was trained on the samples held out here makes their accuracy look better than it is."""
    held_out = ws.config.dataset.validation
    for name, training in bank.trainings.items():
        if held_out and str(training.get("validation", "0")) != str(held_out):
            progress.warn(
                f"guide {name} may have been trained on the {held_out} samples held out here: "
                "judge by the test set, not by the validation split"
            )


def _tell_of_reader(bank: GuideBank, progress: Progress) -> None:
    reasons: dict[str, list[str]] = {}
    for name, why in bank.copied.items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        progress.say(f"rows of {', '.join(names)} are read by pread and not mapped: {why}")


def _tell_of_decoding(ws: Workspace, bank: GuideBank, progress: Progress) -> None:
    """Compressed guides that do not fit into memory once decoded are decoded again and again."""
    # A cycle is at one view while the next is decoded; a draw is at all of them in every step.
    views = ws.config.views.count if ws.config.views.schedule == "draw" else 2
    needed = bank.decoded_bytes(views)
    if needed > MAX_DECODED_BYTES:
        progress.say(
            f"the compressed guides take {needed / 2**30:.1f} GiB once decoded and {MAX_DECODED_BYTES / 2**30:.0f} GiB "
            f"are kept: training will wait for them; `{ws.command('export NAME FILE.zarr --codec none')}` makes one "
            "that is only mapped, for `train --guides`"
        )
