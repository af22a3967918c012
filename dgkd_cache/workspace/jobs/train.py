"""Train one model of a workspace under its guides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from dgkd_cache.compute import describe, resolve_device, resolve_precision
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.guidance import Guidance
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.models.card import CARD_FILE, ModelCard, load_card, load_model, save_model, weights_digest
from dgkd_cache.models.preprocess import Preprocess
from dgkd_cache.models.registry import build_model, count_parameters, wanted_input_size
from dgkd_cache.progress import Progress
from dgkd_cache.run_random import RunRandom
from dgkd_cache.settings import DistillationConfig, TrainingConfig
from dgkd_cache.training.evaluate import Score, evaluate
from dgkd_cache.training.trainer import Guided, Trainer
from dgkd_cache.views.schedule import Schedule, check_schedule
from dgkd_cache.views.views import Views
from dgkd_cache.workspace import inputs as record
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
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
) -> ModelCard:
    """Trains `architecture` into `runs/NAME` under cached `guides` (stores) or `live` ones (run folders), or none.

    A finished run of the same inputs is returned as it is, a begun one goes on at its checkpoint. Raises Mismatch,
    naming the settings that differ, where another run has that name, and whatever refuses a guide (see `GuideBank`).
    """
    where = resolve_device(device)
    precision = resolve_precision(training.precision, where)
    dataset, plan = ws.dataset(), ws.plan()
    if guides and live:
        raise InvalidInput("guides are either cached or live", expected="--guides with or without --live", found="both")
    views = Views(plan, dataset.train.to(where))
    settings = ws.config.views
    random = RunRandom(training.seed)
    # Enumerated views are all there are: drawing from them already is fresh augmentation.
    fresh = training.views == "fresh" and plan.scheme == "sampled"
    kind = "fresh" if fresh else settings.schedule
    if fresh and guides:
        raise InvalidInput(
            f"{name} cannot train on fresh views",
            expected='training.views = "cached" for a model with cached guides',
            found='"fresh"',
            do=f'set views = "fresh" only in [training.{ws.chain[0]}], or use --live',
        )
    check_schedule(plan, kind, settings.count)
    schedule = Schedule(kind, settings.count, random=random, samples=len(dataset.train))
    temperature = distillation.temperature or ws.config.cache.temperature
    guidance: Guidance | None = None
    if guides:
        guidance = GuideBank(
            guides, views=views, scheduled=range(settings.count), temperature=temperature, device=where
        )
    elif live:
        guidance = LiveGuides(
            [_live_guide(folder) for folder in live],
            temperature=temperature,
            device=where,
            precision=precision,
        )
    try:
        identities = dict(guidance.identities) if guidance else {}
        inputs = expected_inputs(
            ws,
            architecture=architecture,
            guides=identities,
            live=bool(live),
            training=training,
            distillation=distillation,
            precision=precision,
        )
        folder = ws.run_folder(name)
        finished = _begin(folder, name, inputs)
        if finished is not None:
            progress.say(f"{name} is trained: nothing to do")
            return finished
        names = guidance.names if guidance else ()
        guided = Guided(
            guidance=guidance,
            dropping=_dropping(distillation, names),
            objective=distillation.objective,
            lambda_=distillation.lambda_,
            temperature=temperature,
        )
        model, preprocess = _build(architecture, dataset, views, random.torch_seed())
        transform = preprocess.module(channels_last=training.channels_last).to(where)
        train_N, held_N = split_samples(len(dataset.train), ws.config.dataset.validation)

        def validate(current: nn.Module) -> Score:
            return evaluate(current, transform, views, held_N, device=where, precision=precision)

        trainer = Trainer(
            model,
            transform,
            views=views,
            samples_N=train_N,
            schedule=schedule,
            random=random,
            training=training,
            guided=guided,
            device=where,
            precision=precision,
            validate=validate if len(held_N) else None,
        )
        outcome = trainer.run(folder, record={"inputs": record.digest(inputs)}, progress=progress, stop=stop, name=name)
    finally:
        if isinstance(guidance, GuideBank):
            guidance.close()
    test = Views(plan, dataset.test.to(where))
    score = evaluate(model, transform, test, np.arange(len(dataset.test)), device=where, precision=precision)
    accuracy = {"test": decimal(round(score.accuracy, 6))}
    if outcome.validation is not None:
        accuracy["validation"] = decimal(round(outcome.validation.accuracy, 6))
    recipe = {**training.model_dump(mode="json"), "epoch_chosen": outcome.epoch}
    if identities:
        recipe |= distillation.model_dump(mode="json", by_alias=True) | {"temperature": temperature}
    else:
        recipe["method"] = "scratch"
    card = ModelCard(
        name=name,
        architecture=architecture,
        channels=plan.view_shape[0],
        classes=dataset.classes,
        height=plan.view_shape[1],
        width=plan.view_shape[2],
        parameters=count_parameters(model),
        preprocess=preprocess,
        dataset={"name": dataset.train.name, "digest": dataset.train.digest},
        plan_digest=plan.digest,
        views={"kind": training.views, "count": settings.count, "schedule": kind},
        training=recipe,
        guides=identities,
        accuracy=accuracy,
        weights_digest=weights_digest(model),
        seconds=round(outcome.seconds, 3),
        compute=dict(describe(where, precision)),
        inputs_digest=record.digest(inputs),
    )
    save_model(folder, model, card)
    for leftover in ("checkpoint.safetensors", "best.safetensors"):
        (folder / leftover).unlink(missing_ok=True)
    return card


def expected_inputs(
    ws: Workspace,
    *,
    architecture: str,
    guides: dict[str, str],
    live: bool,
    training: TrainingConfig,
    distillation: DistillationConfig,
    precision: str,
) -> dict[str, str]:
    """The flat record of all that a run depends on; what only changes its speed is left out."""
    recipe = training.model_dump(mode="json", exclude={"checkpoint_steps", "workers", "precision"})
    tree: dict[str, Any] = {
        "architecture": architecture,
        "dataset": {
            "digest": ws.dataset().train.digest,
            "test_digest": ws.dataset().test.digest,
            "validation": ws.config.dataset.validation,
        },
        "views": {**ws.config.views.model_dump(mode="json"), "plan": ws.plan().digest},
        "training": {**recipe, "precision": precision},
        "guides": guides,
    }
    if guides:
        settings = distillation.model_dump(mode="json", by_alias=True)
        settings["temperature"] = distillation.temperature or ws.config.cache.temperature
        tree |= {"distillation": settings, "live": live}
    return record.flatten(tree)


def _begin(folder: Path, name: str, inputs: dict[str, str]) -> ModelCard | None:
    """The finished run in `folder`, or None once the folder is ready to train in."""
    before = record.read_inputs(folder)
    if before is None:
        if (folder / CARD_FILE).exists():
            raise Mismatch(
                f"{folder} holds a model of unknown inputs",
                expected=f"a file {record.INPUTS_FILE} beside its card",
                found="none",
                do="choose another --name, or start over with --fresh",
            )
        record.write_inputs(folder, inputs)
        return None
    differing = record.changes(before, inputs)
    if differing:
        raise Mismatch(
            f"the run {name} in {folder} has other inputs",
            expected="the same settings, data, guides and precision",
            found="; ".join(differing[:6]) + (f" and {len(differing) - 6} more" if len(differing) > 6 else ""),
            do="choose another --name, or start over with --fresh (the old run is set aside, not deleted)",
        )
    return load_card(folder) if (folder / CARD_FILE).exists() else None


def _build(architecture: str, dataset: Dataset, views: Views, seed: int) -> tuple[nn.Module, Preprocess]:
    channels, height, width = views.plan.view_shape
    preprocess = Preprocess.build(
        mean=dataset.mean, std=dataset.std, input_size=wanted_input_size(architecture, height, width)
    )
    network_height, network_width = preprocess.network_size(height, width)
    model = build_model(
        architecture,
        channels=channels,
        classes=len(dataset.classes),
        height=network_height,
        width=network_width,
        seed=seed,
    )
    return model, preprocess


def _dropping(settings: DistillationConfig, names: Sequence[str]) -> Dropping:
    # `always` is written for the whole chain: earlier models do not have all of these guides.
    return Dropping(
        kind=settings.dropping,
        keep=settings.keep,
        drop=settings.drop,
        always=tuple(name for name in settings.always if name in names),
        at_least_one=settings.at_least_one,
    )


def _live_guide(folder: Path) -> LiveGuide:
    model, card = load_model(folder)
    return LiveGuide(
        name=card.name,
        identity=card.weights_digest,
        preprocess=card.preprocess.module(channels_last=True),
        model=model,
    )
