"""Estimates the cost of the guides and runs of a workspace on this machine, before anything is trained.

Untrained weights suffice: neither speed nor store size depends on their values.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.datasets.split import split_images
from dgkd_cache.device.device import resolve_device, resolve_precision
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.dump.header import StoreDraft
from dgkd_cache.dump.sizes import draft_bytes
from dgkd_cache.errors import InvalidInput
from dgkd_cache.estimate.costs import ChainCost, GuideCost, RunCost
from dgkd_cache.estimate.rates import Work, samples_per_second
from dgkd_cache.estimate.workloads import dump_batches, forward_guides, train_steps
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.registry import find_model, wanted_input_size
from dgkd_cache.progress import Progress
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_cache.workspace.guide_stores import guide_stores
from dgkd_cache.workspace.pruning import importance_samples
from dgkd_cache.workspace.recipe import input_choice, resolve_recipe
from dgkd_cache.workspace.tasks.dump import dump_settings, found_at, writer_of
from dgkd_cache.workspace.tasks.model_setup import (
    card_of,
    dropping_of,
    load_run,
    new_model,
    prepare_inference,
    require_same_data,
    say_input,
)
from dgkd_cache.workspace.tasks.training_check import check_given_stores, check_training
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import encoding_names

__all__ = ["plan_chain"]

_NO_DIGEST = "0" * 64
_MANY_SECONDS = 86_400
_MANY_EPOCHS = 10_000  # a small set must not run out of steps during the measurement


def plan_chain(
    ws: Workspace,
    *,
    device: str,
    seconds: float,
    progress: Progress,
    clock: Callable[[], float] = time.perf_counter,
) -> ChainCost:
    """Estimates the cost of the chain on this machine from rates measured for `seconds` of `clock` in all, without
    warm-up.

    A guide is measured in its dump and as a live guide; a model in its training step without guides (never compiled).
    Finished runs and stores are included. Raises InvalidInput unless `seconds` is positive and for settings that
    `run` would refuse, UnknownName for an unknown architecture.
    """
    if not 0 < seconds <= _MANY_SECONDS:
        expected = f"at most {_MANY_SECONDS} seconds" if seconds > 0 else "more than 0 seconds"
        raise InvalidInput("this is no time to measure for", expected=expected, found=str(seconds))
    where = resolve_device(device)
    for name in ws.trained_here:
        find_model(ws.architecture(name))  # a wrong name is told before the data set is loaded
    for name in ws.trained_here:
        check_training(ws, name)
    check_given_stores(ws, ws.trained_here)
    recipes = {name: resolve_recipe(ws.config.training_for(name), where) for name in ws.trained_here}
    adopted = {name: _adopted(ws, name) for name in ws.chain if ws.member(name).kind == "adopted"}
    for name in ws.chain:
        if ws.member(name).kind == "store":
            progress.say(f"{name} is a store from elsewhere: it takes no dump here, and cannot be a live guide")
    for name, recipe in recipes.items():
        architecture = ws.architecture(name)
        size = wanted_input_size(architecture, *ws.plan().view_shape[1:], recipe.input_size)
        say_input(ws, name, size, progress, why=input_choice(architecture, recipe))
    built = {name: _untrained(ws, name, recipe) for name, recipe in recipes.items() if ws.teaches(name)} | adopted
    guides_of_chain = {name: built[name] for name in ws.chain if name in built}
    drafts = {name: _draft(ws, name, *guide, where) for name, guide in guides_of_chain.items() if ws.teaches(name)}
    works: dict[tuple[object, ...], Callable[[], Work]] = {}
    for name, recipe in recipes.items():
        works.setdefault(_training_key(ws, name, recipe), partial(_train_work, ws, name, recipe, where))
    for name, draft in drafts.items():
        works.setdefault(_key(ws, "dump", name, recipes), partial(dump_batches, draft, device=where))
        forwards = partial(_forward_work, ws, name, *guides_of_chain[name], where)
        works.setdefault(_key(ws, "live", name, recipes), forwards)
    progress.start("measure", total=len(works), unit="rates")
    rates = {}
    for key, work in works.items():
        rates[key] = samples_per_second(work(), seconds=seconds / len(works), clock=clock, device=where)
        progress.advance(1)
    progress.finish()
    stores = max(1, ws.config.cache.draws)
    guides = {
        name: GuideCost(
            guide=name,
            architecture=draft.header.guide.architecture,
            forwards=draft.forwards * stores,
            samples_per_second=rates[_key(ws, "dump", name, recipes)],
            live_samples_per_second=rates[_key(ws, "live", name, recipes)],
            nbytes=draft_bytes(draft.header, ws.config.cache.encoding, width=draft.width) * stores,
            encodings={one: draft_bytes(draft.header, one, width=draft.width) * stores for one in _offered(ws, draft)},
        )
        for name, draft in drafts.items()
    }
    return ChainCost(
        guides=tuple(guides.values()),
        runs=tuple(
            _run(ws, name, recipe, rates[_training_key(ws, name, recipe)], guides) for name, recipe in recipes.items()
        ),
        encoding=ws.config.cache.encoding,
        free_bytes=shutil.disk_usage(ws.folder).free,
    )


def _offered(ws: Workspace, draft: StoreDraft) -> list[str]:
    """Returns the encodings for a guide: `factored` is offered where it takes less than float16, or was chosen.

    `topk` keeps less than a guide gives, so it is never offered, and there if it was chosen.
    """
    offers = draft.width is not None and draft.header.classes > 2 * draft.width
    chosen = ws.config.cache.encoding
    others = {"factored", "topk"} - {chosen} - ({"factored"} if offers else set())
    return [name for name in encoding_names() if name not in others]


def _run(ws: Workspace, name: str, recipe: TrainingConfig, rate: float, guides: dict[str, GuideCost]) -> RunCost:
    models = {guide: model for model in ws.guides_for(name) for guide in guide_stores(ws, model)}
    names = tuple(models)
    train_N, _ = split_images(ws.dataset().train, ws.config.dataset.validation)
    samples = recipe.epochs * len(train_N) + importance_samples(ws, name)
    # A store from elsewhere has no model here that could be forwarded. Each draw would be a pass of its own.
    live = [samples / guides[of].live_samples_per_second if of in guides else 0.0 for of in models.values()]
    kept = dropping_of(ws.config.distillation, names).kept_share(names)
    return RunCost(
        model=name,
        architecture=ws.architecture(name),
        guides=names,
        samples=samples,
        samples_per_second=rate,
        live_seconds=sum(share * one for share, one in zip(kept, live, strict=True)),
        live_all_seconds=sum(live),
    )


def _key(ws: Workspace, work: str, name: str, recipes: Mapping[str, TrainingConfig]) -> tuple[object, ...]:
    """Returns the key of a rate: models with equal keys are measured once."""
    recipe = recipes.get(name)  # none of a model that was adopted
    return work, ws.architecture(name), recipe and recipe.channels_last, recipe and recipe.input_size


def _training_key(ws: Workspace, name: str, recipe: TrainingConfig) -> tuple[object, ...]:
    return *_key(ws, "train", name, {name: recipe}), recipe.precision, recipe.batch_size, recipe.optimizer


def _adopted(ws: Workspace, name: str) -> tuple[nn.Module, ModelCard]:
    """Returns an adopted model and its card. Raises Incomplete for one that is not adopted yet."""
    model, card = load_run(ws, name)
    require_same_data(ws, card, ws.run_folder(name), test=True)
    return model, card


def _untrained(ws: Workspace, name: str, recipe: TrainingConfig) -> tuple[nn.Module, ModelCard]:
    """Returns an untrained guide and the card that it would have, which differs only in digests and digits."""
    model, preprocess = new_model(ws, ws.architecture(name), input_size=recipe.input_size, seed=0)
    card = card_of(
        ws,
        model,
        preprocess,
        name=name,
        architecture=ws.architecture(name),
        training=recipe,
        distillation=ws.config.distillation,
        guides=dict.fromkeys(ws.guides_for(name), _NO_DIGEST),
        epoch=recipe.epochs - 1,
        weights_digest=_NO_DIGEST,
    )
    return model, card


def _draft(ws: Workspace, name: str, model: nn.Module, card: ModelCard, device: torch.device) -> StoreDraft:
    """Drafts the store of a guide, or that of its first draw."""
    views, cache = range(ws.config.views.count), ws.config.cache
    draw = 0 if cache.draws else None
    path = ws.store_path(name, draw=draw)
    begun = found_at(path).precision if cache.precision == "auto" else None
    settings = dump_settings(cache, resolve_precision(cache.precision, device, begun=begun))
    return writer_of(ws, model, card, path=path, views=views, settings=settings, device=device, draw=draw).draft


def _train_work(ws: Workspace, name: str, recipe: TrainingConfig, device: torch.device) -> Work:
    """Returns training steps without guides, and without torch.compile, which would take longer than all the rest."""
    model, preprocess = new_model(ws, ws.architecture(name), input_size=recipe.input_size, seed=0)
    views = ViewRenderer(ws.plan(), ws.dataset().train.to(device))
    random, settings = RunRandom(recipe.seed), ws.config.views
    train_N, _ = split_images(views.images, ws.config.dataset.validation)
    steps = Steps(
        model.train(),
        Preprocessing(preprocess, channels_last=bool(recipe.channels_last)).to(device),
        views=views,
        samples_N=train_N,
        schedule=Schedule(settings.schedule, settings.count, random=random, samples=len(views.images)),
        random=random,
        training=recipe.model_copy(update={"epochs": _MANY_EPOCHS, "compile": False}),
        guided=Guided(guidance=None, dropping=Dropping(), objective="paper", lambda_=0.5),
        device=device,
    )
    return train_steps(steps)


def _forward_work(ws: Workspace, name: str, model: nn.Module, card: ModelCard, device: torch.device) -> Work:
    """Returns forward passes of the guide as in `train --live`, in batches of the student's size."""
    model, transform = prepare_inference(model, card, device)
    guide = LiveGuide(name=name, identity=_NO_DIGEST, preprocess=transform, model=model)
    precision = resolve_precision(ws.config.cache.precision, device)
    views = ViewRenderer(ws.plan(), ws.dataset().train.to(device))
    samples_B = views.images.samples_N[: ws.config.training_for(ws.chain[-1]).batch_size]
    guides = LiveGuides(
        [guide],
        temperature=ws.config.cache.temperature,
        classes=len(views.images.classes),
        device=device,
        precision=precision,
    )
    return forward_guides(guides, views, samples_B, device=device)
