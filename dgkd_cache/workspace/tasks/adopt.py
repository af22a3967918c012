"""Adopts a model that was trained elsewhere: its weights become a finished run, from which guides are dumped.

Everything that can be wrong is found before anything is written: the architecture, the file, the classes, their order,
and the accuracy on the test set. The user's own dgkd.toml then names the architecture and the weights; the card of the
run is compared with it and never chooses what is built.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from dgkd_cache.config.models_table import write_model
from dgkd_cache.config.tables import ModelConfig
from dgkd_cache.config.workspace_config import CONFIG_NAME, check_model_name
from dgkd_cache.datasets.registry import classes_of_folders
from dgkd_cache.device.device import resolve_device
from dgkd_cache.device.environment import describe
from dgkd_cache.dump.label_order import least_accuracy
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.models.fitting import class_dimensions, fit_weights, found_classes, require_names, select_classes
from dgkd_cache.models.foreign_weights import ForeignWeights, read_foreign_weights
from dgkd_cache.models.published import Published, pretrained_weights, published_of
from dgkd_cache.models.registry import build_model, count_parameters, find_model, is_user_code
from dgkd_cache.models.saved import save_model
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import ADOPTED, ModelCard
from dgkd_cache.training.evaluate import evaluate_samples
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.archive import archive_held_run
from dgkd_cache.workspace.expected_inputs import adopted_inputs
from dgkd_cache.workspace.run_lock import refuse_linked_files, run_lock
from dgkd_cache.workspace.tasks.adoption_options import (
    AdoptRequest,
    check_preprocessing,
    class_columns,
    preprocess_for,
    require_number,
)
from dgkd_cache.workspace.tasks.finished import finished_run
from dgkd_cache.workspace.tasks.model_setup import prepare_inference
from dgkd_cache.workspace.tasks.published_pixels import unaugmented
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import JsonValue, decimal

__all__ = ["Adopted", "adopt_model"]

_SHOWN = 10  # classes in a message
_FOLDER_CHANNELS = 3  # of images in files
_SIDE = 32  # pixels of images for which a network is looked at that takes any size: names do not depend on it


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """An adopted model: its card, whether its run was made now, and whether dgkd.toml was written."""

    card: ModelCard
    made: bool
    written: bool


def adopt_model(
    ws: Workspace,
    request: AdoptRequest,
    *,
    device: str,
    take_over: bool = False,
    progress: Progress,
    stop: Callable[[], bool] = lambda: False,
) -> Adopted:
    """Makes the finished run `request.name` of weights from elsewhere, and writes it to [models] of dgkd.toml.

    A run of the same weights is kept. Raises InvalidInput for an architecture, file, name or option that cannot be
    used, UnsafeStore for a pickle of more than tensors, and Mismatch for weights of another architecture, for other
    classes, for a test accuracy below `least_accuracy` that is not accepted, and for another run of that name. Nothing
    is written then.
    """
    ws, name = ws.stopping(stop), check_model_name(request.name)
    _require_free_name(ws, name)
    folder = ws.run_folder(name)
    find_model(request.architecture)  # a wrong name is told before a file is read
    if request.weights is None:
        published = published_of(request.architecture, pretrained=True)
        _refuse_unread(ws, request, published, {})
        # What is published of the weights tells of most errors, before they are downloaded.
        preprocess_for(request, published, ws.dataset())
        class_columns(request, published, ws.dataset(), published.class_count)
        weights = pretrained_weights(request.architecture)
    else:
        weights = read_foreign_weights(request.weights)
        published = published_of(request.architecture, sha256=weights.sha256)
        _refuse_unread(ws, request, published, weights.tensors)
    model, card = _build(ws, request, weights, published)
    inputs = adopted_inputs(ws, card)
    with run_lock(folder, name, take_over=take_over, stop=stop) as lock:
        if not request.fresh:
            refuse_linked_files(folder)
        made = None if request.fresh else _existing(ws, folder, name, inputs)
        if made is None:
            card = _scored(ws, request, model, card, device, progress)
            card = card.model_copy(update={"inputs_digest": record.digest(inputs)})
            if request.fresh and (aside := archive_held_run(ws, name, take_over=take_over, stop=stop)):
                progress.say(f"what was there before lies in {aside}")
            record.write_inputs(folder, inputs, partial=lock.partial_of)
            lock.check()
            save_model(folder, model, card, partial=lock.partial_of)
        known = ModelConfig(architecture=card.architecture, weights=card.weights_digest)
        written = write_model(ws.folder / CONFIG_NAME, name, known)
    return Adopted(card=made or card, made=made is None, written=written)


def _require_free_name(ws: Workspace, name: str) -> None:
    """Raises InvalidInput if a model of the chain that is trained here, or is a store, has that name."""
    if name in ws.chain and ws.architecture(name) != f"adopted:{name}":
        raise InvalidInput(
            f"{name} is a model of the chain already",
            expected=f'another name, or {name} = "adopted:{name}" in [chain] of dgkd.toml',
            found=f"{name} = {ws.architecture(name)!r}",
            do="adopt it under another name, and write adopted:NAME into [chain]",
        )


@dataclass(frozen=True, kw_only=True)
class _FolderNames:
    """The classes of a data set whose files are not read yet."""

    classes: tuple[str, ...]
    class_words: tuple[tuple[str, ...], ...] = ()


def _refuse_unread(ws: Workspace, request: AdoptRequest, published: Published, tensors: Mapping[str, Tensor]) -> None:
    """Raises Mismatch or InvalidInput for weights, classes or options that do not fit, before an image is read.

    The files of a large data set take long to read for the first time, and their folders tell its classes. `tensors`
    are those of a file. A network of the user's own is built for the size of the views, which images tell: `_build`
    compares it, and the shapes of tensors.
    """
    ours = classes_of_folders(ws.dataset_name) if ws.aligned_with is None else None
    if ours is None:
        return
    check_preprocessing(request, published, channels=_FOLDER_CHANNELS)
    side = find_model(request.architecture).input_size or _SIDE
    sizes = {"channels": _FOLDER_CHANNELS, "classes": len(ours), "height": side, "width": side}
    looks, count = bool(tensors) and not is_user_code(request.architecture), published.class_count
    if looks:
        count = found_classes(class_dimensions(request.architecture, **sizes), tensors)
    if request.class_map is None:
        require_number(count, len(ours))
    else:
        class_columns(request, published, _FolderNames(classes=ours), count)
    if looks:
        require_names(request.architecture, tensors, **sizes)


def _existing(ws: Workspace, folder: Path, name: str, inputs: dict[str, str]) -> ModelCard | None:
    """Returns the card of a run that is the same model; raises Mismatch for another run of that name."""
    try:
        return finished_run(folder, name, inputs)
    except Mismatch as error:
        do = "adopt it under another name, or add --fresh, which moves what is there to aside/"
        raise error.with_hint(do=do) from error


def _build(
    ws: Workspace, request: AdoptRequest, weights: ForeignWeights, published: Published
) -> tuple[nn.Module, ModelCard]:
    """Returns the model with its weights, in evaluation mode, and its card, which has no accuracy yet."""
    dataset, views = ws.dataset(), ws.plan().view_shape
    preprocess = preprocess_for(request, published, dataset)
    height, width = preprocess.network_size(*views[1:])
    sizes = {"channels": views[0], "classes": len(dataset.classes), "height": height, "width": width}
    dimensions = class_dimensions(request.architecture, **sizes)
    columns_C, classes = class_columns(request, published, dataset, found_classes(dimensions, weights.tensors))
    tensors = weights.tensors if columns_C is None else select_classes(weights.tensors, dimensions, columns_C)
    accept = ws.config.cache.accept_probabilities
    model = build_model(request.architecture, **sizes, seed=0, accept_probabilities=accept, trains=False).eval()
    left_out = fit_weights(model, tensors, what=request.architecture)
    card = ModelCard(
        name=request.name,
        architecture=request.architecture,
        channels=views[0],
        classes=dataset.classes,
        height=views[1],
        width=views[2],
        parameters=count_parameters(model),
        preprocess=preprocess,
        dataset={"name": dataset.train.name, "digest": dataset.train.digest},
        plan_digest="",
        views={"kind": ADOPTED},
        training={
            "method": ADOPTED,
            "origin": _origin(request, weights, published),
            "classes": classes,
            **({"left_out": list(left_out)} if left_out else {}),
            **({} if columns_C is None else {"class_columns": columns_C.tolist()}),
        },
        weights_digest=weights_digest(model),
    )
    return model, card


def _origin(request: AdoptRequest, weights: ForeignWeights, published: Published) -> dict[str, JsonValue]:
    """Returns where the weights are from: no folder of this machine is named, since cards are published."""
    origin: dict[str, JsonValue] = {}
    if request.weights is not None:
        origin["file"] = request.weights.name
    if weights.sha256:
        origin["sha256"] = weights.sha256
    if published.name:
        origin |= {"published": published.name, "url": published.url}
    if weights.taken:
        origin["taken"] = list(weights.taken)
    return origin


def _scored(
    ws: Workspace, request: AdoptRequest, model: nn.Module, card: ModelCard, device: str, progress: Progress
) -> ModelCard:
    """Returns the card with the accuracy on the test set. Raises Mismatch for one that is hardly above guessing.

    Raises InvalidInput for logits that are not finite.
    """
    where, test = resolve_device(device), ws.dataset().test
    network, preprocess = prepare_inference(model, card, where)
    score = evaluate_samples(
        network,
        lambda pixels_BIHW: network(preprocess(pixels_BIHW)),
        unaugmented(ws.plan(), test.to(where), card.preprocess),
        np.arange(len(test)),
        device=where,
        precision="float32",
        what=f"evaluate {request.name} on test",
        progress=progress,
    )
    if not math.isfinite(score.loss):
        raise InvalidInput(
            f"{request.name} gives logits that are no numbers",
            expected="finite logits for each test image",
            found="NaN or infinity",
            do="look for weights that are no numbers; a run that diverged has an earlier checkpoint",
        )
    least = least_accuracy(len(card.classes))
    if score.accuracy < least and not request.accept_accuracy:
        order = ", ".join(card.classes[:_SHOWN]) + (", ..." if len(card.classes) > _SHOWN else "")
        assumed = f", with the classes assumed in the order {order}" if card.training["classes"] == "assumed" else ""
        raise Mismatch(
            f"{request.name} hardly knows this data set",
            expected=f"a test accuracy of at least {100 * least:.4g} %, twice that of guessing",
            found=f"{100 * score.accuracy:.4g} %{assumed}",
            do="check the order of its classes and its preprocessing, or add --accept-accuracy",
        )
    model.to("cpu")
    return card.model_copy(
        update={
            "accuracy": {"test": decimal(round(score.accuracy, 6))},
            "compute": {**describe(where, "float32"), **ws.dataset().decoding},
        }
    )
