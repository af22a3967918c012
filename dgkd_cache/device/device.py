"""The compute device: its choice, the meaning of `auto` on it, and what is placed there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.device.autotune import COMBINATIONS, Auto, Combination, combination, processor_unit
from dgkd_cache.errors import InvalidInput
from dgkd_stores.arguments import describe_value

__all__ = [
    "autocast",
    "bf16_is_native",
    "choose",
    "place",
    "resolve_device",
    "resolve_precision",
    "send",
    "unit_of",
    "usable_device",
]


def resolve_device(name: str) -> torch.device:
    """Returns the device called `name`; `auto` is the first GPU if there is one, else the CPU.

    Raises InvalidInput for a device that does not exist.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return _find_device(
        name,
        problem="that device cannot be used",
        expected="auto, cpu, cuda or cuda:N of this machine",
        kinds=("cpu", "cuda"),
    )


def usable_device(device: torch.device | str, *, call: str) -> torch.device:
    """Returns the device that the argument of a public call names. Raises InvalidInput if there is no such device."""
    return _find_device(
        device,
        problem=f"{call}: the argument 'device' cannot be used",
        expected="a torch.device that is there, or a name such as cpu or cuda:0",
    )


def _find_device(
    device: torch.device | str, *, problem: str, expected: str, kinds: tuple[str, ...] | None = None
) -> torch.device:
    """Returns the device after a test with a tensor on it; `kinds`, if given, are the allowed ones."""
    try:
        found = torch.device(device)
        if kinds is not None and found.type not in kinds:
            raise RuntimeError("another kind of device")
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, TypeError) as error:  # AssertionError: torch was built without CUDA
        reason = str(error).partition("\n")[0]
        raise InvalidInput(problem, expected=expected, found=f"{describe_value(device)} ({reason})") from error
    return found


Broadcast = Callable[[int], int]
"""Gives the first rank's number to all ranks, which may have different processors; all of them must call it."""


def choose(
    device: torch.device,
    *,
    precision: str = "auto",
    channels_last: bool | Auto = "auto",
    broadcast: Broadcast | None = None,
) -> Combination:
    """Returns the combination for the device; only `auto` values are chosen.

    The rules are in `autotune`. With `broadcast` the first rank's choice holds for all. Raises InvalidInput.
    """
    if precision not in ("auto", "float32", "bf16"):
        raise InvalidInput("unknown precision", expected="auto, float32 or bf16", found=precision)
    chosen = combination(unit_of(device), precision=precision, channels_last=channels_last)
    return COMBINATIONS[broadcast(COMBINATIONS.index(chosen))] if broadcast else chosen


def resolve_precision(
    setting: str, device: torch.device, *, begun: str | None = None, broadcast: Broadcast | None = None
) -> str:
    """Returns `float32` or `bf16` for a forward pass; `auto` is `begun`, if given, else the choice of `choose`."""
    if setting == "auto" and begun in ("float32", "bf16"):
        setting = begun
    return choose(device, precision=setting, broadcast=broadcast).precision


def unit_of(device: torch.device) -> str:
    """Returns the kind of device that `autotune` has a rule for."""
    if device.type == "cuda":
        return "GPU bf16" if bf16_is_native(device) else "GPU"
    return processor_unit(torch.backends.cpu.get_cpu_capability(), torch.cpu.get_capabilities())


def bf16_is_native(device: torch.device) -> bool:
    """Returns True if the device has bfloat16 instructions (emulated, it is slower than float32)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return unit_of(device).endswith(" bf16")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Returns the autocast context for a forward pass."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def place(module: nn.Module, device: torch.device, *, channels_last: bool) -> nn.Module:
    """Moves the module to the device and memory format, and returns it."""
    layout: dict[str, Any] = {"memory_format": torch.channels_last if channels_last else torch.contiguous_format}
    return module.to(device, **layout)


def send(array: NDArray[Any], device: torch.device) -> Tensor:
    """Returns a numpy array as a tensor on the device, without waiting for the copy to a GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
