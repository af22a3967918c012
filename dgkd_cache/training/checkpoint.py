"""Checkpoints: one safetensors file with model, optimiser and random state, and a JSON record in its metadata.

Nothing is pickled, and the file is replaced in one rename: there is always a complete checkpoint or none. A changed one
is refused (see `checkpoint_file`). Optimiser state is stored per parameter, so it is restored to the same bits in each
parameter's memory format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dgkd_cache.models.weights import model_tensors, read_tensors, tensors_digest
from dgkd_cache.run_files.checkpoint_file import metadata_of, open_checkpoint, read_record, require_digest, texts_of
from dgkd_cache.run_files.reading import damaged_file
from dgkd_cache.run_files.tensor_file import TensorFile
from dgkd_cache.training.masks import Masks
from dgkd_stores.disk import Partial, full_disk, partial_of, write_durably

__all__ = [
    "Checkpoint",
    "load_checkpoint",
    "load_state",
    "random_state",
    "read_checkpoint",
    "read_record",
    "save_checkpoint",
    "save_state",
]

_MASK = "mask."

RandomState = Mapping[str, Tensor]
"""torch's random state in one process, by device type."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was read: its record, and its content for `load_checkpoint`."""

    path: Path
    record: Mapping[str, Any]
    scalars: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    record: Mapping[str, Any],
    random: Sequence[RandomState],
    *,
    masks: Masks | None = None,
    partial: Partial = partial_of,
) -> None:
    """Writes everything that a run needs to continue. Raises NoSpace if the disk is full.

    `record` is any JSON, `random` holds each rank's `random_state`, and `masks` are those of a pruned model.
    """
    tensors = {f"model.{name}": value for name, value in model_tensors(model).items()}
    scalars: dict[str, float] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{key}"] = value.cpu().contiguous()
            elif value is not None:
                scalars[f"{index}.{key}"] = value
    tensors |= {f"random.{rank}.{kind}": state for rank, kinds in enumerate(random) for kind, state in kinds.items()}
    tensors |= {f"{_MASK}{name}": bits for name, bits in (masks.state() if masks else {}).items()}
    text = json.dumps({"record": record, "optimizer_scalars": scalars})
    _replace(path, tensors, text, partial)


def random_state(device: torch.device) -> RandomState:
    """Returns this process's random state, which `load_checkpoint` restores."""
    cuda = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def save_state(path: Path, model: nn.Module, *, partial: Partial = partial_of) -> None:
    """Writes the model's weights alone (of the best epoch so far). Raises NoSpace if the disk is full."""
    _replace(path, model_tensors(model), "", partial)


def load_state(path: Path, model: nn.Module) -> None:
    """Loads weights that `save_state` wrote into the model. Raises Damaged if they do not match or have changed."""
    with open_checkpoint(path) as file:
        _require_fit(file, model, "")
        tensors = read_tensors(file)
        require_digest(file)
    model.load_state_dict(tensors)


def read_checkpoint(path: Path, model: nn.Module) -> Checkpoint:
    """Reads the checkpoint of a run of `model`.

    Raises Damaged (exit 12) if it is missing, incomplete, changed or of another model, UnsafeStore (exit 15) if it is
    not a regular file.
    """
    with open_checkpoint(path) as file:
        _require_fit(file, model, "model.")
        texts, tensors = texts_of(file), read_tensors(file)
        require_digest(file)
    return Checkpoint(path=path, record=texts["record"], scalars=texts["optimizer_scalars"], tensors=tensors)


def load_checkpoint(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    *,
    rank: int = 0,
    masks: Masks | None = None,
) -> None:
    """Restores model, optimiser, the random state of `rank`, and the `masks` of a pruned model.

    State that was not saved is unchanged (a run on the CPU, or on fewer ranks, may continue here). Raises Damaged if
    the content does not match, which happens under a right digest only if the file was forged.
    """
    try:
        _put_back(checkpoint, model, optimizer, device, rank)
        if masks is not None:
            kept = {name: bits for name, bits in checkpoint.tensors.items() if name.startswith(_MASK)}
            masks.load_state({name.removeprefix(_MASK): bits for name, bits in kept.items()})
    except torch.OutOfMemoryError:
        raise
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise damaged_file(
            checkpoint.path, "the state of this model and optimiser", str(error).partition("\n")[0]
        ) from error


def _put_back(
    checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device, rank: int
) -> None:
    tensors = checkpoint.tensors
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            index, name = key.removeprefix("optimizer.").split(".", 1)
            like = parameters[int(index)]
            same = value.shape == like.shape
            placed = torch.empty_like(like, dtype=value.dtype).copy_(value) if same else value
            state.setdefault(int(index), {})[name] = placed.detach()
    for key, value in checkpoint.scalars.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    if f"random.{rank}.cpu" in tensors:
        torch.set_rng_state(tensors[f"random.{rank}.cpu"])
    if device.type == "cuda" and f"random.{rank}.cuda" in tensors:
        torch.cuda.set_rng_state(tensors[f"random.{rank}.cuda"], device)


def _replace(path: Path, tensors: Mapping[str, Tensor], text: str, partial: Partial) -> None:
    content = save(dict(tensors), metadata=metadata_of(text, tensors_digest(tensors)))
    with full_disk(path):
        write_durably(path, content, temporary=partial(path))


def _require_fit(file: TensorFile, model: nn.Module, prefix: str) -> None:
    """Raises Damaged for tensors of other sizes, before any is read into memory."""
    wanted = {f"{prefix}{name}": tuple(value.shape) for name, value in model.state_dict().items()}
    present = {name: shape for name, shape in file.shapes.items() if name.startswith(prefix or name)}
    for name in [*wanted, *present]:
        if wanted.get(name) != present.get(name):
            found = f"{name[:80]} of shape {present.get(name, 'none')}"
            raise damaged_file(file.path, f"the tensors of this model, {wanted.get(name, 'no such one')}", found)
