"""The machine that computes: its device, its precision, and the description that stores and cards record of it."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn

from dgkd_cache.errors import InvalidInput

__all__ = ["autocast", "bf16_is_native", "describe", "place", "resolve_device", "resolve_precision"]


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


def resolve_precision(setting: str, device: torch.device) -> str:
    """`float32` or `bf16`; `auto` takes bf16 where the device computes in it natively."""
    if setting not in ("auto", "float32", "bf16"):
        raise InvalidInput("unknown precision", expected="auto, float32 or bf16", found=setting)
    if setting != "auto":
        return setting
    return "bf16" if bf16_is_native(device) else "float32"


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
