"""The jobs of a workspace: train one model, dump one guide, evaluate one model.

Each may be stopped at any moment and run again; each leaves a finished result as it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dgkd_stores import decimal
from numpy.typing import NDArray
from torch import nn

from dgkd_cache.compute import describe, resolve_device, resolve_precision
from dgkd_cache.datasets.registry import Dataset
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import Incomplete, InvalidInput, Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.guidance import Guidance
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.guides.writer import Dumped, GuideWriter
from dgkd_cache.models.card import CARD_FILE, ModelCard, load_card, load_model, save_model, weights_digest
from dgkd_cache.models.preprocess import Preprocess
from dgkd_cache.models.registry import build_model, count_parameters, wanted_input_size
from dgkd_cache.progress import Progress
from dgkd_cache.run_random import RunRandom
from dgkd_cache.training.evaluate import Score, evaluate
from dgkd_cache.training.trainer import Guided, Trainer
from dgkd_cache.views.schedule import Schedule, check_schedule
from dgkd_cache.views.views import Views
from dgkd_cache.workspace import inputs as record
from dgkd_cache.workspace.config import DistillationConfig, TrainingConfig
from dgkd_cache.workspace.workspace import Workspace

__all__ = [
    "DumpResult",
    "EvalResult",
    "dump_guide",
    "dump_seconds",
    "evaluate_model",
    "expected_inputs",
    "set_aside",
    "train_model",
]


_DUMP_SECONDS = "dump_seconds.txt"


@dataclass(frozen=True, kw_only=True)
class DumpResult(Dumped):
    """What a dump left, and the seconds that this call took."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class EvalResult:
    """A model's score on one split."""

    model: str
    split: str
    samples: int
    accuracy: float
    loss: float


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

    A finished run of the same inputs is returned as it is, a begun one goes on at its checkpoint. Raises Mismatch, naming
    the settings that differ, where another run has that name, and whatever refuses a guide (see `GuideBank`).
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
        outcome = trainer.run(
            folder, record={"inputs": record.digest(inputs)}, progress=progress, stop=stop, name=name
        )
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


def dump_guide(
    ws: Workspace,
    *,
    model: str,
    views: range | None = None,
    shard: tuple[int, int] | None = None,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
) -> DumpResult:
    """Writes `guides/MODEL.zarr` from the finished run `runs/MODEL`: every view, or one share of them.

    `views` are the views that the store holds (default: those of the workspace) and `shard` (i, n) the i-th of n shares
    of them, from 0. Raises Incomplete when the run is not finished, Mismatch when it was trained on other data.
    """
    started = time.perf_counter()
    where = resolve_device(device)
    cache = ws.config.cache
    network, card = load_model(ws.run_folder(model))
    dataset, plan = ws.dataset(), ws.plan()
    _check_card(ws, card, model)
    held = views if views is not None else range(ws.config.views.count)
    if plan.outcomes is not None and plan.scheme == "enumerated" and held.stop > plan.outcomes:
        raise InvalidInput(
            "there are not that many views",
            expected=f"views 0 to {plan.outcomes - 1}",
            found=f"view {held.stop - 1}",
        )
    precision = resolve_precision(cache.precision, where)
    network = network.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]  # as in Trainer
    transform = card.preprocess.module(channels_last=True).to(where)
    with GuideWriter(
        ws.store_path(model),
        network,
        lambda pixels_BIHW: network(transform(pixels_BIHW)),
        name=model,
        train=Views(plan, dataset.train.to(where)),
        test=Views(plan, dataset.test.to(where)),
        views=held,
        mine=_share(held, shard),
        temperature=cache.temperature,
        encoding=cache.encoding,
        batch_size=cache.batch_size,
        device=where,
        precision=precision,
        workers=ws.config.training_for(model).workers,
        architecture=card.architecture,
        training={key: _text(value) for key, value in card.training.items()} | {"views": _text(card.views)},
        guides=card.guides,
        licence=cache.licence,
    ) as writer:
        try:
            result = writer.run(progress=progress, stop=stop)
        finally:
            _add_dump_seconds(ws.run_folder(model), time.perf_counter() - started)
    seconds = time.perf_counter() - started
    return DumpResult(
        path=result.path, seal=result.seal, views=result.views, nbytes=result.nbytes, seconds=seconds
    )


def dump_seconds(folder: Path) -> float | None:
    """The seconds that dumps of the run in `folder` took so far, over all resumptions; None before the first.

    They lie beside the run because a store holds no clock: its bytes must not depend on when it was written.
    """
    path = folder / _DUMP_SECONDS
    return float(path.read_text(encoding="utf-8")) if path.exists() else None


def evaluate_model(ws: Workspace, *, model: str, split: str, device: str, progress: Progress) -> EvalResult:
    """Scores the finished run `model` on un-augmented images: `test`, `train` or the held-out `validation` split."""
    where = resolve_device(device)
    network, card = load_model(ws.run_folder(model))
    dataset, plan = ws.dataset(), ws.plan()
    _check_card(ws, card, model)
    train_N, held_N = split_samples(len(dataset.train), ws.config.dataset.validation)
    chosen = {"train": train_N, "validation": held_N, "test": np.arange(len(dataset.test))}
    if split not in chosen or not len(chosen[split]):
        raise InvalidInput(
            f"there is no {split} split",
            expected="one of " + ", ".join(key for key, samples_N in chosen.items() if len(samples_N)),
            found=split,
            do="dataset.validation holds samples out of training",
        )
    images = dataset.test if split == "test" else dataset.train
    score = evaluate(
        network.to(where),
        card.preprocess.module().to(where),
        Views(plan, images.to(where)),
        chosen[split],
        device=where,
        precision=str(card.compute.get("precision", "float32")),
        progress=progress,
    )
    return EvalResult(
        model=model, split=split, samples=score.samples, accuracy=score.accuracy, loss=score.loss
    )


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


def set_aside(ws: Workspace, name: str) -> Path | None:
    """Moves the run and the store called `name` to `aside/NAME-K`, so that the name is free and nothing is lost."""
    run, store = ws.run_folder(name), ws.store_path(name)
    if not run.exists() and not store.exists():
        return None
    number = 1
    while (target := ws.folder / "aside" / f"{name}-{number}").exists():
        number += 1
    target.mkdir(parents=True)
    for source in (run, store):
        if source.exists():
            source.rename(target / source.name)
    return target


def _add_dump_seconds(folder: Path, seconds: float) -> None:
    total = (dump_seconds(folder) or 0.0) + seconds
    (folder / _DUMP_SECONDS).write_text(f"{total:.3f}\n", encoding="utf-8")


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


def _check_card(ws: Workspace, card: ModelCard, model: str) -> None:
    """A model is dumped and scored on the data that it was trained on, under the plan of its training."""
    dataset, plan = ws.dataset(), ws.plan()
    for what, here, there in (
        ("data set", dataset.train.digest, card.dataset.get("digest", "")),
        ("view plan", plan.digest, card.plan_digest),
    ):
        if here != there:
            raise Mismatch(
                f"the run {model} was trained on another {what}",
                expected=f"{what} {here[:16]}, as this workspace has it",
                found=f"{there[:16]}",
                do="undo the change to dgkd.toml or to the data, or train the model again",
            )


def _share(held: range, shard: tuple[int, int] | None) -> range | None:
    """The i-th of n shares of consecutive views."""
    if shard is None:
        return None
    index, count = shard
    if not 0 <= index < count or count > len(held):
        raise InvalidInput(
            "there is no such share",
            expected=f"i/n with 0 <= i < n <= {len(held)} views",
            found=f"{index}/{count}",
        )
    return range(held.start + len(held) * index // count, held.start + len(held) * (index + 1) // count)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
