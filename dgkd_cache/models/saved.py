"""A trained model on disk: safetensors weights, and a JSON card that describes them.

Both are written under a temporary name, synced and renamed, the card last: a folder with a card holds a finished model.
The card also holds a digest of each file of the run, and of itself (see `run_card`). Reading checks card and weights
against their digests and never unpickles anything.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import nn

from dgkd_cache.errors import Damaged, Mismatch, UnknownName
from dgkd_cache.models.registry import build_model, count_parameters, count_unbuilt, is_user_code
from dgkd_cache.models.weights import model_tensors, pack_zeros, read_dense, tensors_digest
from dgkd_cache.paths import CARD_FILE, INPUTS_FILE, METRICS_FILE, WEIGHTS_FILE
from dgkd_cache.run_files.model_card import TRAIN_AGAIN, ModelCard, load_card
from dgkd_cache.run_files.reading import damaged_file, read_file
from dgkd_cache.run_files.run_card import FileDigest, with_digests
from dgkd_cache.run_files.sparse_tensors import DenseTensors
from dgkd_cache.run_files.tensor_file import open_tensors
from dgkd_stores.arguments import as_path, require_kind
from dgkd_stores.disk import (
    Partial,
    discard_file,
    full_disk,
    partial_of,
    refuse_in_the_way,
    sync_folder,
    write_synced,
)

__all__ = ["load_model", "load_weights", "save_model"]


def save_model(
    folder: os.PathLike[str] | str, model: nn.Module, card: ModelCard, *, partial: Partial = partial_of
) -> None:
    """Writes `weights.safetensors` and `card.json` into `folder`, replacing a model that is there.

    The card covers the run's inputs and metrics as they are in the folder at that time. `partial` is that of a lock
    under which the folder is written.

    If stopped at any moment, it leaves the old model, the new one or (for an instant) none, never a mixture. Raises
    Mismatch (exit 13) if the card is of another model and NoSpace (exit 14) on a full disk; the old model is then kept.
    """
    folder = as_path("save_model", "folder", folder)
    require_kind("save_model", "model", model, nn.Module, expected="a torch.nn.Module")
    require_kind("save_model", "card", card, ModelCard, expected="a ModelCard")
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
    for path in (weights, text):
        refuse_in_the_way(path)
    written = [partial(path) for path in (weights, text)]
    stored, metadata = pack_zeros(tensors) if card.pruned else (tensors, {})
    content = safetensors.torch.save(stored, metadata=metadata or None)
    files = {WEIGHTS_FILE: FileDigest.of(content)}
    files |= {
        name: FileDigest.of(read_file(folder / name))
        for name in (INPUTS_FILE, METRICS_FILE)
        if os.path.lexists(folder / name)
    }
    sealed = with_digests(card.model_dump(mode="json"), files)
    try:
        with full_disk(folder):
            write_synced(written[0], content)
            write_synced(written[1], (json.dumps(sealed, indent=2, ensure_ascii=False) + "\n").encode())
            # Without its card the folder holds no model, so new weights are never seen beside an old card.
            discard_file(text, partial=partial)
            os.replace(written[0], weights)
            os.replace(written[1], text)
            sync_folder(folder)
    finally:
        for path in written:
            path.unlink(missing_ok=True)


def load_model(folder: os.PathLike[str] | str, *, architecture: str | None = None) -> tuple[nn.Module, ModelCard]:
    """Returns the model in `folder`, on the CPU in evaluation mode, and its card.

    A card may come from somebody else, so it never chooses code: a `module:factory` on it is imported only if the
    caller passes the same text as `architecture`. Otherwise raises Mismatch (exit 13). Also raises what `load_card` and
    `load_weights` raise, and UnknownName or InvalidInput (exit 2) if the architecture cannot be built by name: then
    build it yourself and use `load_weights`.
    """
    folder = as_path("load_model", "folder", folder)
    expected = "the architecture that the card names, as text, or None"
    require_kind("load_model", "architecture", architecture, (str, type(None)), expected=expected)
    card = load_card(folder)
    if architecture != card.architecture and (architecture is not None or is_user_code(card.architecture)):
        raise Mismatch(
            f"the card in {folder} names another architecture than its reader"
            if architecture
            else f"the card in {folder} names code, and a card is not let choose what runs",
            expected=repr(architecture) if architecture else "an architecture that `dgkd-cache models` lists",
            found=repr(card.architecture),
            do="if that code is your own, call load_model(folder, architecture=...) with this text",
        )
    height, width = card.preprocess.network_size(card.height, card.width)
    sizes = {"channels": card.channels, "classes": len(card.classes), "height": height, "width": width}
    try:
        _require_room(count_unbuilt(card.architecture, **sizes), folder, card)
        # What was accepted when it was trained, or adopted, is not judged again.
        model = build_model(card.architecture, **sizes, seed=0, accept_probabilities=True, trains=not card.adopted)
    except UnknownName as error:
        raise UnknownName(
            f"the model in {folder} cannot be rebuilt from its card",
            expected="an architecture that `dgkd-cache models` lists, or module:factory",
            found=repr(card.architecture),
            do="build it in your own code and call dgkd_cache.models.load_weights(model, folder)",
        ) from error
    load_weights(model, folder)
    return model.eval(), card


def load_weights(model: nn.Module, folder: os.PathLike[str] | str) -> ModelCard:
    """Loads the weights in `folder` into `model`, which keeps its device, and returns the card.

    Raises Damaged (exit 12) for weights that are missing, unreadable or not those of the card, UnsafeStore (15) if the
    file is not a regular one, and Mismatch (13) if the model has other tensors than the weights; the model is then
    unchanged.
    """
    do = "give the model first, then the folder"
    require_kind("load_weights", "model", model, nn.Module, expected="a torch.nn.Module", do=do)
    folder = as_path("load_weights", "folder", folder)
    card = load_card(folder)
    path = folder / WEIGHTS_FILE
    try:
        with open_tensors(path) as file:
            wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
            held = DenseTensors(file)
            # A file that does not match is not read into memory: a file of another size is hashed in pieces.
            tensors = read_dense(held) if wanted == held.shapes else {}
            _check_digest(path, held, card)
            _check_tensors(wanted, path, held, card)
    except FileNotFoundError as error:
        raise damaged_file(path, "the weights that its card tells of", "no such file", do=TRAIN_AGAIN) from error
    _check_parameters(model, card, str(path))
    model.load_state_dict(tensors)
    return card


_AS_THE_CARD_SAYS = "build the model as its card says (architecture, channels, classes, height, width)"

_SPARE = 2**24  # parameters that a network may have beyond the size of the weights before it is compared in detail


def _require_room(count: int, folder: Path, card: ModelCard) -> None:
    """Refuses a network of far more parameters than the weights have, before any memory is allocated for it."""
    path = folder / WEIGHTS_FILE
    held = path.lstat().st_size if os.path.lexists(path) else 0
    if card.pruned and held:
        with open_tensors(path) as file:  # a pruned weight takes a bit in the file
            held = max(held, sum(map(math.prod, DenseTensors(file).shapes.values())))
    if count > held + _SPARE:
        raise Mismatch(
            f"the card at {folder} is of another model",
            expected=f"a network that {held} bytes of weights may be of",
            found=f"one of {count} parameters",
            do="restore the card from a copy, or train the model again",
        )


def _check_digest(path: Path, held: DenseTensors, card: ModelCard) -> None:
    digest = held.digest()
    if digest != card.weights_digest:
        raise Damaged(
            f"{path} has changed since its card was written",
            expected=f"weights of SHA-256 {card.weights_digest[:16]}",
            found=digest[:16],
            do=TRAIN_AGAIN,
        )


def _check_tensors(wanted: Mapping[str, tuple[int, ...]], path: Path, held: DenseTensors, card: ModelCard) -> None:
    """Refuses weights of other shapes than the model's, and names the first tensor that differs."""
    for name in [*wanted, *held.shapes]:
        if wanted.get(name) != held.shapes.get(name):
            raise Mismatch(
                f"the weights at {path} do not fit a {card.architecture} with {len(card.classes)} classes",
                expected=f"{name} of shape {wanted[name]}" if name in wanted else f"no tensor {name}",
                found=f"{held.shapes.get(name, 'no such tensor')}",
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
