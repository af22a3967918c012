"""The last linear layer of a guide: what the encoding `factored` stores once, so that a row is a few coefficients.

Every guide whose logits are W h + b has them; h is what the layer gets, D numbers. Its basis is Q of the QR
decomposition of W in float64, on one thread, so that a dump that is taken up again makes the same bytes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.device.threads import one_thread
from dgkd_cache.errors import InvalidInput
from dgkd_stores.arguments import describe_value

__all__ = ["find_linear_head", "linear_width", "no_linear_head", "shared_arrays"]


def find_linear_head(model: nn.Module, classes: int, *, what: str) -> nn.Linear:
    """Returns the last part of the model, in the order of its modules, that is a linear layer with these outputs.

    Whether the logits are really this layer's is found out by the first batch. Raises InvalidInput if there is none.
    """
    head = _last_linear(model, classes)
    if head is None:
        parts = [part for part in model.modules() if not any(part.children())]
        last = describe_value(parts[-1]) if parts else "no layer"
        raise no_linear_head(what, f"no linear layer of {classes} outputs; the last part is {last}")
    return head


def linear_width(model: nn.Module, classes: int) -> int | None:
    """Returns D, the number of coefficients of a row: the inputs of the last linear layer; None without one."""
    head = _last_linear(model, classes)
    return None if head is None else min(head.in_features, classes)


def shared_arrays(head: nn.Linear, *, temperature: float, precision: str) -> dict[str, NDArray[np.float32]]:
    """Returns `basis` float32 (C, D) and `bias` float32 (C,) of rows at a temperature.

    Under bf16 a layer computes with weights that were rounded to it, and the basis is theirs.
    """
    weight_CD, bias_C = _used(head.weight, precision), torch.zeros(head.out_features, dtype=torch.float64)
    if head.bias is not None:
        bias_C = _used(head.bias, precision)
    with one_thread():
        basis_CD = torch.linalg.qr(weight_CD)[0]
    return {
        "basis": np.ascontiguousarray(basis_CD.float().numpy()),
        "bias": (bias_C / temperature).float().numpy(),
    }


def no_linear_head(what: str, found: str) -> InvalidInput:
    """Returns the error for a guide that the encoding `factored` is not for."""
    return InvalidInput(
        f"{what} does not end in a linear layer, which the encoding factored needs",
        expected="logits W h + b of the model's last linear layer, with nothing after it",
        found=found,
        do="choose another encoding: float16 holds the logits of any model",
    )


def _last_linear(model: nn.Module, classes: int) -> nn.Linear | None:
    layers = [part for part in model.modules() if isinstance(part, nn.Linear) and part.out_features == classes]
    return layers[-1] if layers else None


def _used(weights: Tensor, precision: str) -> Tensor:
    held = weights.detach()
    return (held.bfloat16() if precision == "bf16" else held).double().cpu()
