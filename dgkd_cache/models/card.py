"""A trained model on disk: safetensors weights, and beside them a JSON card that says what they are.

Both are written under another name, synced and renamed, the card last: a folder with a card holds a finished
model. Reading checks the weights against the card's SHA-256 and never unpickles anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import safetensors.torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from dgkd_cache.errors import DamagedStore, Incomplete, InvalidInput, Mismatch, UnknownName
from dgkd_cache.models.preprocess import Preprocess
from dgkd_cache.models.registry import build_model, count_parameters
from dgkd_cache.models.weights import model_tensors, tensors_digest, weights_digest
from dgkd_cache.run_files import CARD_FILE
from dgkd_stores.disk.files import full_disk, sync_folder, write_synced

__all__ = [
    "CARD_FILE",
    "WEIGHTS_FILE",
    "ModelCard",
    "load_card",
    "load_model",
    "load_weights",
    "save_model",
    "weights_digest",
]

WEIGHTS_FILE = "weights.safetensors"
CARD_LIMIT = 16 * 2**20  # bytes; a card of 100,000 long class names stays below


class ModelCard(BaseModel):
    """What a model is, what it was trained on and how, and how good it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dgkd-model-card"] = "dgkd-model-card"
    version: Literal[1] = 1
    name: str  # its name in the chain
    architecture: str  # what build_model takes, or a name of the user's own
    channels: int = Field(ge=1)  # I of the views
    classes: tuple[str, ...] = Field(min_length=1)  # names, in the order of the logits
    height: int = Field(ge=1)  # pixels of the views; the network sees preprocess.network_size(height, width)
    width: int = Field(ge=1)
    parameters: int = Field(ge=0)
    preprocess: Preprocess
    dataset: dict[str, str]  # name and digest
    plan_digest: str  # of the view plan, "" where none was used
    views: dict[str, JsonValue]  # which views it was trained on
    training: dict[str, JsonValue]  # method, objective, recipe, seed
    guides: dict[str, str] = Field(default_factory=dict)  # name of each guide to the seal of its store
    accuracy: dict[str, str] = Field(default_factory=dict)  # split to a decimal fraction
    weights_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)  # wall time of the training
    compute: dict[str, JsonValue] = Field(default_factory=dict)  # device, precision, versions
    inputs_digest: str = ""  # of everything the training depended on; a run with another one is stale


def save_model(folder: Path, model: nn.Module, card: ModelCard) -> None:
    """Write `weights.safetensors` and `card.json` into `folder`, replacing a model that lies there.

    Stopped at any moment it leaves the old model, the new one or (for an instant) none, never a mixture.
    Raises Mismatch (exit 13) if the card is of another model and NoSpace (exit 14) on a full disk; the old
    model stays then.
    """
    tensors = model_tensors(model)
    _check_parameters(model, card, str(folder))
    if (digest := tensors_digest(tensors)) != card.weights_digest:
        raise Mismatch(
            f"the card to be written to {folder} is of other weights",
            expected=f"weights of SHA-256 {card.weights_digest[:16]}",
            found=digest[:16],
            do="make the card with weights_digest(model) once the model is final",
        )
    folder.mkdir(parents=True, exist_ok=True)
    weights, text = folder / WEIGHTS_FILE, folder / CARD_FILE
    written = [path.with_name(path.name + ".partial") for path in (weights, text)]
    try:
        with full_disk(folder):
            write_synced(written[0], safetensors.torch.save(tensors))
            write_synced(written[1], (card.model_dump_json(indent=2) + "\n").encode())
            # Without its card the folder holds no model: new weights are never seen beside an old card.
            text.unlink(missing_ok=True)
            os.replace(written[0], weights)
            os.replace(written[1], text)
            sync_folder(folder)
    finally:
        for path in written:
            path.unlink(missing_ok=True)


def load_card(folder: Path) -> ModelCard:
    """The card of the finished model in `folder`.

    Raises Incomplete (exit 3) where there is none, DamagedStore (exit 12) for text that is not JSON, Mismatch
    (exit 13) for a card of another format or version and InvalidInput (exit 2) for unknown, missing or wrong
    keys.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise Incomplete(
            f"no finished model in {folder}",
            expected=f"a file {CARD_FILE}",
            found="none",
            do="train it first (`dgkd-cache train --model NAME`, or `dgkd-cache run` for the whole chain)",
        )
    if path.stat().st_size > CARD_LIMIT:
        raise DamagedStore(f"{path} is no model card", expected=f"at most {CARD_LIMIT} bytes")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedStore(f"{path} cannot be read", expected="JSON", found=str(error), do=_TRAIN_AGAIN) from error
    found = [value.get(key) for key in ("format", "version")] if isinstance(value, dict) else [None, None]
    if found != ["dgkd-model-card", 1]:
        raise Mismatch(
            f"{path} is of another format",
            expected="dgkd-model-card version 1",
            found=f"{found[0]!r} version {found[1]!r}",
            do="read it with the version of dgkd-cache that wrote it",
        )
    try:
        return ModelCard.model_validate(value)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise InvalidInput(
            f"{path} is not a card as this version writes it",
            expected=f"the keys {', '.join(ModelCard.model_fields)}",
            found="; ".join(problems[:5]),
            do="undo the change to it, or train the model again",
        ) from error


def load_model(folder: Path) -> tuple[nn.Module, ModelCard]:
    """The model in `folder`, on the CPU in evaluation mode, and its card.

    Raises what `load_card` and `load_weights` raise, and UnknownName or InvalidInput (exit 2) where the
    architecture on the card cannot be rebuilt by name: build it yourself then and use `load_weights`.
    """
    card = load_card(folder)
    height, width = card.preprocess.network_size(card.height, card.width)
    try:
        model = build_model(
            card.architecture,
            channels=card.channels,
            classes=len(card.classes),
            height=height,
            width=width,
            seed=0,
        )
    except UnknownName as error:
        raise UnknownName(
            f"the model in {folder} cannot be rebuilt from its card",
            expected="an architecture that `dgkd-cache models` lists, or module:factory",
            found=repr(card.architecture),
            do="build it in your own code and call dgkd_cache.models.load_weights(model, folder)",
        ) from error
    load_weights(model, folder)
    return model.eval(), card


def load_weights(model: nn.Module, folder: Path) -> ModelCard:
    """Put the weights in `folder` into `model`, which keeps its device, and return the card.

    Raises DamagedStore (exit 12) for weights that are missing, unreadable or not those of the card, and
    Mismatch (exit 13) where the model has other tensors than the weights; then the model is as it was.
    """
    card = load_card(folder)
    path = folder / WEIGHTS_FILE
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise DamagedStore(f"{path} cannot be read", found=str(error), do=_TRAIN_AGAIN) from error
    digest = tensors_digest(tensors)
    if digest != card.weights_digest:
        raise DamagedStore(
            f"{path} has changed since its card was written",
            expected=f"weights of SHA-256 {card.weights_digest[:16]}",
            found=digest[:16],
            do=_TRAIN_AGAIN,
        )
    _check_tensors(model, tensors, card, str(path))
    _check_parameters(model, card, str(path))
    model.load_state_dict(tensors)
    return card


_TRAIN_AGAIN = "restore it from a copy, or remove its folder and train the model again"
_AS_THE_CARD_SAYS = "build the model as its card says (architecture, channels, classes, height, width)"


def _check_tensors(model: nn.Module, tensors: Mapping[str, Tensor], card: ModelCard, where: str) -> None:
    """Refuse weights that do not fit the model, naming the first tensor that differs."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    present = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in [*wanted, *present]:
        if wanted.get(name) != present.get(name):
            raise Mismatch(
                f"the weights at {where} do not fit a {card.architecture} with {len(card.classes)} classes",
                expected=f"{name} of shape {wanted[name]}" if name in wanted else f"no tensor {name}",
                found=f"{present.get(name, 'no such tensor')}",
                do=_AS_THE_CARD_SAYS,
            )


def _check_parameters(model: nn.Module, card: ModelCard, where: str) -> None:
    if card.parameters != (found := count_parameters(model)):
        raise Mismatch(
            f"the card at {where} is of another model",
            expected=f"{card.parameters} parameters",
            found=str(found),
            do=_AS_THE_CARD_SAYS,
        )
