"""torch.compile as the training loop uses it: the same model, whose weights and names stay its own.

Each batch size is compiled by itself, whenever it comes: a run that is resumed at its last, smaller batch then computes
with the same kernels as one that was not stopped.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput

__all__ = ["compile_forward"]


def compile_forward(model: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The model's forward pass as torch.compile makes it, which happens when it is first called.

    Raises InvalidInput where torch cannot compile on this machine; a function of one line is tried for that.
    """
    try:
        torch.compile(_probe)(torch.zeros(2, device=device))
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
            raise
        raise InvalidInput(
            "torch.compile does not work here",
            expected="a C++ compiler" if device.type == "cpu" else "a C++ compiler and Triton",
            found=_reason(error),
            do="install it (CXX may name it), or train with --no-compile",
        ) from error
    forward: Callable[[Tensor], Tensor] = torch.compile(model, dynamic=False)
    return forward


def _probe(values: Tensor) -> Tensor:
    return values.sin() + 1


def _reason(error: Exception) -> str:
    """The first line, without the name of torch's own class in front."""
    return str(error).strip().partition("\n")[0].rpartition("Compiler: ")[2]
