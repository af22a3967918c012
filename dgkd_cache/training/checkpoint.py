"""Checkpoints: one safetensors file with model, optimiser and random state, and a JSON record in its metadata.

Nothing is pickled, and the file is replaced in one rename: there is always a whole checkpoint or none. Optimiser state
is kept parameter by parameter, so it is restored to the same bits in each parameter's own memory format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dgkd_cache.errors import DamagedStore
from dgkd_cache.models.weights import model_tensors
from dgkd_stores.disk.files import full_disk, write_durably

__all__ = ["load_checkpoint", "load_state", "random_state", "read_record", "save_checkpoint", "save_state"]

RandomState = Mapping[str, Tensor]
"""torch's random state in one process, by the kind of device."""


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    record: Mapping[str, Any],
    random: Sequence[RandomState],
) -> None:
    """Writes all that a run needs to go on from here. Raises NoSpace when the disk is full.

    `record` is any JSON, `random` each rank's `random_state`.
    """
    tensors = {f"model.{name}": value for name, value in model_tensors(model).items()}
    scalars: dict[str, float] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{key}"] = value.contiguous()
            elif value is not None:
                scalars[f"{index}.{key}"] = value
    tensors |= {f"random.{rank}.{kind}": state for rank, kinds in enumerate(random) for kind, state in kinds.items()}
    text = json.dumps({"record": record, "optimizer_scalars": scalars})
    _replace(path, tensors, text)


def random_state(device: torch.device) -> RandomState:
    """This process's, as `load_checkpoint` restores it."""
    cuda = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def save_state(path: Path, model: nn.Module) -> None:
    """The model's weights alone (the best epoch so far). Raises NoSpace when the disk is full."""
    _replace(path, model_tensors(model), "")


def load_state(path: Path, model: nn.Module) -> None:
    """Puts weights that `save_state` wrote into the model. Raises DamagedStore when the file is not whole."""
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def read_record(path: Path) -> dict[str, Any]:
    """The JSON record of a checkpoint, without reading a tensor. Raises DamagedStore when the file is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(json.loads((file.metadata() or {})["dgkd"])["record"])
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device, *, rank: int = 0
) -> None:
    """Puts model, optimiser and the random state of `rank` back in place.

    What was not saved (a run on the processor, or on fewer ranks, may go on here) stays as it is. Raises DamagedStore
    when the file is not whole.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {})["dgkd"])
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
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
    for key, value in meta["optimizer_scalars"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    if f"random.{rank}.cpu" in tensors:
        torch.set_rng_state(tensors[f"random.{rank}.cpu"])
    if device.type == "cuda" and f"random.{rank}.cuda" in tensors:
        torch.cuda.set_rng_state(tensors[f"random.{rank}.cuda"], device)


def _replace(path: Path, tensors: Mapping[str, Tensor], text: str) -> None:
    content = save(dict(tensors), metadata={"dgkd": text})
    with full_disk(path):
        write_durably(path, content, temporary=path.with_name(path.name + ".partial"))


def _damaged(path: Path, error: Exception) -> DamagedStore:
    return DamagedStore(
        f"the checkpoint {path} cannot be read",
        expected="a whole safetensors file of this program",
        found=str(error).splitlines()[0],
        do="start over with --fresh (what is there is set aside), or restore the file from a copy",
    )
