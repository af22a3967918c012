"""The machine that computes: its device, what `auto` means on it, and the description that stores and cards record."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.device.autotune import COMBINATIONS, Auto, Combination, combination, processor_unit
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_stores import described

__all__ = [
    "TOLERANCES",
    "autocast",
    "bf16_is_native",
    "choose",
    "describe",
    "place",
    "resolve_device",
    "resolve_precision",
    "send",
    "unit_of",
    "usable_device",
]

TOLERANCES = {"float32": 0.01, "bf16": 0.1}
"""By the precision of the forward pass: how far two machines may be apart, as a share of a row's largest logit."""


def resolve_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the first GPU where there is one, else the processor.

    Raises InvalidInput for a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return _there(
        name,
        problem="that device cannot be used",
        expected="auto, cpu, cuda or cuda:N of this machine",
        kinds=("cpu", "cuda"),
    )


def usable_device(device: torch.device | str, *, call: str) -> torch.device:
    """The device that the argument of a public call names. Raises InvalidInput for what is none, or not there."""
    return _there(
        device,
        problem=f"{call}: the argument 'device' cannot be used",
        expected="a torch.device that is there, or a name such as cpu or cuda:0",
    )


def _there(
    device: torch.device | str, *, problem: str, expected: str, kinds: tuple[str, ...] | None = None
) -> torch.device:
    """The device, once a tensor was made on it; `kinds`, where given, are the only ones allowed."""
    try:
        found = torch.device(device)
        if kinds is not None and found.type not in kinds:
            raise RuntimeError("another kind of device")
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidInput(problem, expected=expected, found=f"{described(device)} ({reason})") from error
    return found


def choose(
    device: torch.device, *, precision: str = "auto", channels_last: bool | Auto = "auto", ranks: Ranks = ALONE
) -> Combination:
    """The combination that `auto` means on that device; what is given stands.

    The table in `autotune` has it for each kind of device. Two ranks may have different processors: all of `ranks` call
    this, and the first one's choice is everyone's. Raises InvalidInput.
    """
    if precision not in ("auto", "float32", "bf16"):
        raise InvalidInput("unknown precision", expected="auto, float32 or bf16", found=precision)
    chosen = combination(unit_of(device), precision=precision, channels_last=channels_last)
    return COMBINATIONS[ranks.broadcast(COMBINATIONS.index(chosen))]


def resolve_precision(setting: str, device: torch.device, *, begun: str | None = None, ranks: Ranks = ALONE) -> str:
    """`float32` or `bf16` of a forward pass; for `auto`, the one that work was `begun` in, else the device's."""
    if setting == "auto" and begun in ("float32", "bf16"):
        setting = begun
    return choose(device, precision=setting, ranks=ranks).precision


def unit_of(device: torch.device) -> str:
    """The kind of device that `autotune` has a rule for."""
    if device.type == "cuda":
        return "GPU bf16" if bf16_is_native(device) else "GPU"
    return processor_unit(torch.backends.cpu.get_cpu_capability(), torch.cpu.get_capabilities())


def bf16_is_native(device: torch.device) -> bool:
    """True where the device multiplies in bfloat16 by itself (emulated, it is slower than float32)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return unit_of(device).endswith(" bf16")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context to forward in."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def place(module: nn.Module, device: torch.device, *, channels_last: bool) -> nn.Module:
    """The module itself, on the device and in that memory format of its convolutions."""
    layout: dict[str, Any] = {"memory_format": torch.channels_last if channels_last else torch.contiguous_format}
    return module.to(device, **layout)


def send(array: NDArray[Any], device: torch.device) -> Tensor:
    """A numpy array as a tensor on the device; nothing waits for a GPU to take it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def describe(device: torch.device, precision: str) -> dict[str, str | int]:
    """Everything that logits depend on in their last bits: device, instruction set, precision, library versions."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        unit = {
            "device": torch.cuda.get_device_name(device),
            "capability": f"sm_{major}{minor}",
            "tf32": int(torch.backends.cudnn.allow_tf32),  # in float32 convolutions; torch's default is on
        }
    else:
        unit = {
            "device": f"{device.type} {platform.machine()}",
            "capability": torch.backends.cpu.get_cpu_capability(),
        }
    return {
        **unit,
        "precision": precision,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
    }
