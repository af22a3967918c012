"""The compute environment that stores and cards record, and how far the logits of two of them may be apart."""

from __future__ import annotations

import platform

import numpy as np
import torch
import torchvision

__all__ = ["MACHINE", "TOLERANCES", "describe"]

TOLERANCES = {"float32": 0.01, "bf16": 0.1}
"""The largest allowed difference between two machines by precision, as a fraction of a row's largest logit."""


MACHINE = ("device", "capability", "tf32", "torch", "torchvision", "numpy")
"""The names in `describe` that no setting decides."""


def describe(device: torch.device, precision: str) -> dict[str, str | int]:
    """Returns what the last bits of logits depend on: device, instruction set, precision, library versions."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        unit = {
            "device": torch.cuda.get_device_name(device),
            "capability": f"sm_{major}{minor}",
            "tf32": int(torch.backends.cudnn.allow_tf32),  # in float32 convolutions; on by default in torch
        }
    else:
        unit = {"device": f"{device.type} {platform.machine()}", "capability": torch.backends.cpu.get_cpu_capability()}
    return {
        **unit,
        "precision": precision,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
    }
