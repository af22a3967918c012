"""torch.compile for the training loop; the model keeps its weights and names.

Each batch size is compiled separately, so that a run resumed at its last, smaller batch uses the same kernels as an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput

__all__ = ["compile_forward"]


def compile_forward(model: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Returns the model's compiled forward pass; it is compiled at the first call.

    Raises InvalidInput if torch cannot compile a function of one line on this machine.
    """
    try:
        torch.compile(_probe)(torch.zeros(2, device=device))
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
            raise
        raise InvalidInput(
            "torch.compile does not work here",
            expected="a C++ compiler" if device.type == "cpu" else "a C++ compiler and Triton",
            found=str(error).strip().partition("\n")[0].rpartition("Compiler: ")[2],  # not the name of torch's class
            do="install it (CXX may name it), or train with --no-compile",
        ) from error
    forward: Callable[[Tensor], Tensor] = torch.compile(model, dynamic=False)
    return forward


def _probe(values: Tensor) -> Tensor:
    return values.sin() + 1
