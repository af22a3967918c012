"""Builds a new model for the views of a workspace, or loads a finished one and checks it against the data."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.device.device import place
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distillation.objectives import check_mixed_loss
from dgkd_cache.errors import Damaged, InvalidInput, Mismatch
from dgkd_cache.models.dropout_layers import find_dropout_layers
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.registry import build_model, count_parameters, is_user_code, wanted_input_size
from dgkd_cache.models.saved import load_model
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.run_files.preprocess import Preprocess, describe_resizing
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.resolve import resolve_run
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import split_draw_name

__all__ = [
    "card_of",
    "check_mixing",
    "dropping_of",
    "guide_loss_of",
    "load_run",
    "new_model",
    "prepare_inference",
    "require_adopted",
    "require_dropout",
    "require_named",
    "require_same_data",
    "say_input",
    "schedule_kind",
]


def new_model(ws: Workspace, architecture: str, *, input_size: int | None, seed: int) -> tuple[nn.Module, Preprocess]:
    """Builds an untrained model for the views of the workspace, and its preprocessing.

    `input_size` is the recipe's: the side to which views are resized, None for the architecture's own.
    """
    channels, height, width = ws.plan().view_shape
    dataset, input_size = ws.dataset(), wanted_input_size(architecture, height, width, input_size)
    preprocess = Preprocess.build(mean=dataset.mean, std=dataset.std, input_size=input_size)
    network_height, network_width = preprocess.network_size(height, width)
    model = build_model(
        architecture,
        channels=channels,
        classes=len(dataset.classes),
        height=network_height,
        width=network_width,
        seed=seed,
        accept_probabilities=ws.config.cache.accept_probabilities,
    )
    return model, preprocess


def require_adopted_data(ws: Workspace, card: ModelCard, folder: Path) -> None:
    """Raises Mismatch unless an adopted model was adopted for the classes and the test set of the workspace."""
    dataset, before = ws.dataset(), record.read_inputs(folder) or {}
    tested_on = record.recorded_value(before, "dataset.test_digest") or dataset.test.digest
    shape = [len(card.preprocess.mean), *([] if card.preprocess.input_size else (card.height, card.width))]
    views = ws.plan().view_shape
    for what, here, there in (
        ("classes", ", ".join(dataset.classes), ", ".join(card.classes)),
        ("test set", dataset.test.digest[:16], str(tested_on)[:16]),
        ("views", "x".join(map(str, views[: len(shape)])), "x".join(map(str, shape))),
    ):
        if here != there:
            raise Mismatch(
                f"the model {folder.name} was adopted for other {what}",
                expected=f"{what} {here[:200]}, as this workspace has them",
                found=there[:200],
                do=f"undo the change to dgkd.toml or to the data; or {ws.remedy(folder.name)}",
            )


def say_input(ws: Workspace, name: str, input_size: int | None, progress: Progress, *, why: str) -> None:
    """Reports the size to which views are resized for the model, and why: it may cost fifty times the work."""
    _, height, width = ws.plan().view_shape
    if said := describe_resizing(height, width, input_size):
        progress.say(f"{name}: {said} ({why})")


def card_of(
    ws: Workspace,
    model: nn.Module,
    preprocess: Preprocess,
    *,
    name: str,
    architecture: str,
    training: TrainingConfig,
    distillation: DistillationConfig,
    guides: Mapping[str, str],
    live: bool = False,
    epoch: int,
    weights_digest: str,
    pruning: Mapping[str, Any] | None = None,
    **found: Any,
) -> ModelCard:
    """Returns the card of a model of this workspace, trained with `guides` to the end of `epoch`.

    `pruning` goes into `training` as it is. `found` are the fields of the card that the training determines: accuracy,
    seconds, compute, inputs_digest.
    """
    plan, dataset = ws.plan(), ws.dataset()
    channels, height, width = plan.view_shape
    # The input size is that of `preprocess`, whether the recipe or the architecture chose it.
    recipe = training.model_dump(mode="json", exclude={"input_size"}) | {"method": "scratch"}
    if guides:
        settings = distillation.model_dump(mode="json", by_alias=True)
        # What was added later stands on a card, and in a store's header, only where it is not what it was before.
        recipe |= {key: value for key, value in settings.items() if record.IMPLIED.get(f"distillation.{key}") != value}
        recipe |= {"temperature": distillation.temperature or ws.config.cache.temperature, "live": live}
    kind = schedule_kind(ws, name, training, guided=False)  # what its guides allow was checked before training
    return ModelCard(
        name=name,
        architecture=architecture,
        channels=channels,
        classes=dataset.classes,
        height=height,
        width=width,
        parameters=count_parameters(model),
        preprocess=preprocess,
        dataset={"name": dataset.train.name, "digest": dataset.train.digest},
        plan_digest=plan.digest,
        views={"kind": training.views, "count": ws.config.views.count, "schedule": kind},
        training={
            **recipe,
            "epoch_chosen": epoch,
            "validation": ws.config.dataset.validation,
            **dataset.train.aligned,
            **(pruning or {}),
        },
        guides=dict(guides),
        weights_digest=weights_digest,
        **found,
    )


def load_run(ws: Workspace, name: str, folder: Path | None = None) -> tuple[nn.Module, ModelCard]:
    """Loads the finished run called `name` (or in `folder`) with `load_model`; errors name the command that helps.

    A module:factory on its card is imported only if the user names it too (`Workspace.names`), else Mismatch.
    """
    try:
        folder = folder or resolve_run(ws, name)
        card = load_card(folder)
        if card.adopted:
            require_adopted(ws, folder.name, card)
        return load_model(folder, architecture=require_named(ws, name, card))
    except Damaged as error:
        raise error.with_hint(do=ws.remedy(name)) from error


def require_named(ws: Workspace, name: str, card: ModelCard) -> str | None:
    """Returns the user's own code that the card of the run `name` names, None for a known architecture.

    Raises Mismatch unless the user names that code too (`Workspace.names`): a card never chooses what is imported.
    """
    own = card.architecture if is_user_code(card.architecture) else None
    if own and not ws.names(own):
        raise _not_named(ws, name, own)
    return own


def require_adopted(ws: Workspace, name: str, card: ModelCard) -> None:
    """Raises Mismatch unless the adopted model is the one that [models] of dgkd.toml names, where it names it."""
    if (model := ws.config.models.get(name)) is None:
        return
    for what, wanted, found in (
        ("architecture", model.architecture, card.architecture),
        ("weights", model.weights, card.weights_digest),
    ):
        if wanted != found:
            raise Mismatch(
                f"the run {name} is not the model that was adopted",
                expected=f"the {what} of [models.{name}] in dgkd.toml, {wanted[:60]}",
                found=found[:60],
                do=ws.remedy(name),
            )


def _not_named(ws: Workspace, name: str, own: str) -> Mismatch:
    code = shlex.quote(own)
    example = ws.command(f"eval --model {name} --architecture {code}")
    return Mismatch(
        f"the card of {name} names code that nothing of yours names",
        expected="a module:factory that [chain] of dgkd.toml or --architecture names",
        found=repr(own),
        do=f"if that code is your own, say so with --architecture {code}, as in `{example}`",
    )


def schedule_kind(ws: Workspace, name: str, training: TrainingConfig, *, guided: bool) -> str:
    """Returns the schedule of a run's views; drawing from enumerated ones, which are complete, is fresh augmentation.

    Raises InvalidInput for fresh views of a model that is `guided` by stores, which do not have them.
    """
    fresh = training.views == "fresh" and ws.config.views.scheme == "sampled"
    if fresh and guided:
        raise InvalidInput(
            f"{name} cannot train on fresh views",
            expected='training.views = "cached" for a model with cached guides',
            found='"fresh"',
            do=f'set views = "fresh" only in [training.{ws.chain[0]}], or train it with `train --live`',
        )
    return "fresh" if fresh else ws.config.views.schedule


def check_mixing(ws: Workspace, distillation: DistillationConfig, *, guided: bool) -> None:
    """Checks the training of a model, `guided` or not, where the views of the workspace mix samples.

    Raises as `ViewRenderer.require_partners`, and InvalidInput for a guide loss that takes one label of an image.
    """
    if ws.plan().mixing is not None:
        ViewRenderer(ws.plan(), ws.dataset().train).require_partners()
        if guided:
            check_mixed_loss(guide_loss_of(distillation), mixes=True)


def require_dropout(ws: Workspace, name: str, architecture: str, training: TrainingConfig) -> None:
    """Raises InvalidInput if a model without a dropout layer is to be drawn, before it is trained."""
    if not find_dropout_layers(new_model(ws, architecture, input_size=training.input_size, seed=0)[0]):
        raise InvalidInput(
            f"{name} ({architecture}) has no dropout layer, so all its draws would be the same",
            expected=f"dropout in every model that teaches, with draws = {ws.config.cache.draws} in [cache]",
            found="none",
            do="choose an architecture with dropout, such as wrn-16-2-dropout0.3, or leave draws out of [cache]",
        )


def dropping_of(settings: DistillationConfig, names: Sequence[str]) -> Dropping:
    """Returns the dropping rule for these guides; `always` may name guides that earlier models lack.

    The name of a model there stands for all its draws.
    """
    return Dropping(
        kind=settings.dropping,
        keep=settings.keep,
        drop=settings.drop,
        always=tuple(name for one in settings.always for name in names if one in (name, split_draw_name(name)[0])),
        at_least_one=settings.at_least_one,
    )


def guide_loss_of(settings: DistillationConfig) -> GuideLoss:
    """Returns the loss against one guide."""
    return GuideLoss(
        kind=settings.guide_loss,
        standardize=settings.standardize,
        weights=settings.weights,
        percentile=settings.percentile,
        dkd_alpha=settings.dkd_alpha,
        dkd_beta=settings.dkd_beta,
        dist_beta=settings.dist_beta,
        dist_gamma=settings.dist_gamma,
    )


def prepare_inference(model: nn.Module, card: ModelCard, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Returns (model, preprocessing) on the device, in evaluation mode and the memory format of its training."""
    channels_last = bool(card.training.get("channels_last", True))
    transform = Preprocessing(card.preprocess, channels_last=channels_last).to(device)
    return place(model, device, channels_last=channels_last).eval(), transform


def require_same_data(ws: Workspace, card: ModelCard, folder: Path, *, test: bool) -> None:
    """Raises Mismatch unless the run in `folder` has the data set, view plan and validation split of the workspace.

    With `test`, also its test set, by the record of its inputs; only callers that use test images need this. A model
    that was adopted was not trained on any of them: it needs the same classes and, for its accuracy, the same test set.
    """
    if card.adopted:
        require_adopted_data(ws, card, folder)
        return
    dataset, plan, model = ws.dataset(), ws.plan(), folder.name
    before = (record.read_inputs(folder) if test else None) or {}
    tested_on = record.recorded_value(before, "dataset.test_digest") or dataset.test.digest
    for what, here, there in (
        ("data set", dataset.train.digest, card.dataset.get("digest", "")),
        ("test set", dataset.test.digest, str(tested_on)),
        ("view plan", plan.digest, card.plan_digest),
        ("validation split", f"{ws.config.dataset.validation} samples", f"{card.training.get('validation')} samples"),
    ):
        if here != there:
            raise Mismatch(
                f"the run {model} was trained on another {what}",
                expected=f"{what} {here[:16]}, as this workspace has it",
                found=there[:16],
                do=f"undo the change to dgkd.toml or to the data; or {ws.remedy(model, stale=True)}",
            )
    decoded = {key: rules for key in ("decoding", "test_decoding") if (rules := card.compute.get(key))}
    if dataset.decoding != decoded:
        raise Mismatch(
            f"the run {model} was trained on images that were decoded by other rules",
            expected=f"decoding rules {json.dumps(dataset.decoding)}, as this version decodes them",
            found=json.dumps(decoded),
            do=ws.remedy(model, stale=True),
        )
