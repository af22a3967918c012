"""The machine that computes: its device, what `auto` means on it, and the description that stores and cards record."""

from __future__ import annotations

import functools
import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.profit import COMBINATIONS, Auto, Combination, Profit, measure_profit
from dgkd_cache.ranks import ALONE, Ranks

__all__ = [
    "autocast",
    "bf16_is_native",
    "choose",
    "describe",
    "place",
    "processor_profit",
    "resolve_device",
    "resolve_precision",
    "send",
]


def resolve_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the first GPU where there is one, else the processor.

    Raises InvalidInput for a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("another kind of device")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            "that device cannot be used",
            expected="auto, cpu, cuda or cuda:N of this machine",
            found=f"{name} ({reason})",
        ) from error
    return device


def choose(
    device: torch.device, *, precision: str = "auto", channels_last: bool | Auto = "auto", ranks: Ranks = ALONE
) -> Combination:
    """What `auto` means on that device; what is given stands.

    A processor is measured, once in a process. A GPU takes bf16 where it has it, and channels last. Two ranks may
    measure differently: all of `ranks` call this, and the first one's choice is everyone's. Raises InvalidInput.
    """
    chosen = _chosen(device, precision, channels_last) if ranks.first else COMBINATIONS[0]
    return COMBINATIONS[ranks.agree(COMBINATIONS.index(chosen))]


def resolve_precision(setting: str, device: torch.device, *, begun: str | None = None, ranks: Ranks = ALONE) -> str:
    """`float32` or `bf16` of a forward pass; for `auto`, the one that work was `begun` in, else what is faster."""
    if setting == "auto" and begun in ("float32", "bf16"):
        setting = begun
    # What is not asked for is given, so that nothing is measured where the precision is known.
    channels_last: bool | Auto = "auto" if setting == "auto" else True
    return choose(device, precision=setting, channels_last=channels_last, ranks=ranks).precision


def _chosen(device: torch.device, precision: str, channels_last: bool | Auto) -> Combination:
    if precision not in ("auto", "float32", "bf16"):
        raise InvalidInput("unknown precision", expected="auto, float32 or bf16", found=precision)
    if precision != "auto" and channels_last != "auto":
        return Combination(precision=precision, channels_last=channels_last)
    if device.type == "cpu":
        return processor_profit().best(precision=precision, channels_last=channels_last)
    native = "bf16" if bf16_is_native(device) else "float32"
    return Combination(precision=native if precision == "auto" else precision, channels_last=channels_last is not False)


@functools.cache
def processor_profit() -> Profit:
    """What was measured of the processor: about half a second, the first time."""
    return measure_profit(bf16=bf16_is_native(torch.device("cpu")))


def bf16_is_native(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 by itself (emulated, it is slower than float32)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("arm_bf16"))


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
    """What logits depend on in their last bits: device, instruction set, precision, library versions."""
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
