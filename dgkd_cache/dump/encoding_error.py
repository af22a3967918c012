"""Measures the error of a guide's encoding on the first rows of its first view."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dgkd_stores import decimal, get_encoding

__all__ = ["encoding_error_rows", "measure_encoding_error"]

_ROWS = 2048


def encoding_error_rows(samples: int) -> int:
    """Returns the number of rows on which the error of a store of that many samples is measured."""
    return min(_ROWS, samples)


def measure_encoding_error(exact_BC: NDArray[np.float32], encoding: str) -> dict[str, Any]:
    """Returns mean KL(exact || stored) in nats and top-1 agreement of the encoded rows, at the store's temperature."""
    held_as = get_encoding(encoding)
    stored_BC = torch.from_numpy(held_as.decode(held_as.encode(exact_BC)).astype(np.float64)).log_softmax(1)
    log_exact_BC = torch.from_numpy(exact_BC).double().log_softmax(1)
    kl = (log_exact_BC.exp() * (log_exact_BC - stored_BC)).sum(1).mean().item()
    same = (stored_BC.argmax(1) == log_exact_BC.argmax(1)).double().mean().item()
    return {"kl": decimal(max(round(kl, 12), 0.0)), "top1": decimal(round(same, 6)), "rows": len(exact_BC)}
