"""Measures the error of a guide's encoding on the first rows of its first view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.progress import Progress
from dgkd_stores import Encoding, decimal

__all__ = [
    "MANY_NATS",
    "describe_error",
    "encoding_error_rows",
    "measure_encoding_error",
    "tell_of_other_temperatures",
    "warn_of_error",
]

MANY_NATS = 1e-3
"""KL from which on a dump warns."""

_ROWS = 2048

_LOGITS = 2**24
"""Logits that are held in float64 at a time; rows of more than 8,192 classes are taken in slabs."""


def encoding_error_rows(samples: int) -> int:
    """Returns the number of rows on which the error of a store of that many samples is measured."""
    return min(_ROWS, samples)


def measure_encoding_error(exact_BC: NDArray[np.float32], encoding: Encoding) -> dict[str, Any]:
    """Returns mean KL(exact || stored) in nats and top-1 agreement of the encoded rows, at the store's temperature."""
    kl, same = _mean_error(exact_BC, encoding, 1.0)
    return {"kl": decimal(max(round(kl, 12), 0.0)), "top1": decimal(round(same, 6)), "rows": len(exact_BC)}


def describe_error(encoding: str, fidelity: Mapping[str, Any]) -> str:
    """Returns the measured error as text."""
    top1 = f"{100 * float(fidelity['top1']):.4g} %"
    return f"{encoding}: KL {float(fidelity['kl']):.2g} nats, top-1 the same in {top1}"


def warn_of_error(guide: str, encoding: str, fidelity: Mapping[str, Any], progress: Progress) -> None:
    """Warns of rows whose KL to the guide's own is 1e-3 nats or more."""
    if float(fidelity["kl"]) >= MANY_NATS:
        progress.warn(
            f"rows of {guide} in {encoding} are {float(fidelity['kl']):.2g} nats from the guide's own (KL, top-1 the "
            f"same in {100 * float(fidelity['top1']):.4g} %): students learn from what is stored; {_nearer(encoding)}"
        )


def tell_of_other_temperatures(
    guide: str, exact_BC: NDArray[np.float32], encoding: Encoding, progress: Progress
) -> None:
    """Tells the mean KL of rows at each further temperature that an encoding names; warns from 1e-3 nats on.

    `exact_BC` are logits divided by the first of its temperatures. An encoding for all temperatures names none.
    """
    if len(encoding.temperatures) < 2:
        return
    first, *others = encoding.temperatures
    found = {each: _mean_error(exact_BC, encoding.at(each), first / each)[0] for each in others}
    told = ", ".join(f"{kl:.2g} nats at temperature {each:g}" for each, kl in found.items())
    text = f"rows of {guide} in {encoding.name}: KL {told}"
    if max(found.values()) >= MANY_NATS:
        progress.warn(f"{text}; students learn from what is stored; {_nearer(encoding.name)}")
    else:
        progress.say(text)


def _nearer(encoding: str) -> str:
    return "float16 is nearer, and so is a larger topk" if encoding == "topk" else "float16 is nearer"


def _mean_error(exact_BC: NDArray[np.float32], encoding: Encoding, scale: float) -> tuple[float, float]:
    """Returns mean KL and agreement of rows times `scale`."""
    step = max(1, _LOGITS // max(1, exact_BC.shape[1]))
    found = [_compare(exact_BC[start : start + step], encoding, scale) for start in range(0, len(exact_BC), step)]
    kl = torch.cat([kl_B for kl_B, _ in found]).mean().item()
    return kl, torch.cat([same_B for _, same_B in found]).double().mean().item()


def _compare(exact_BC: NDArray[np.float32], encoding: Encoding, scale: float) -> tuple[Tensor, Tensor]:
    """Returns KL and agreement of each row."""
    decoded_BC = encoding.decode(encoding.encode(exact_BC)).astype(np.float64)
    stored_BC = (torch.from_numpy(decoded_BC) * scale).log_softmax(1)
    log_exact_BC = (torch.from_numpy(exact_BC).double() * scale).log_softmax(1)
    kl_B = (log_exact_BC.exp() * (log_exact_BC - stored_BC)).sum(1)
    return kl_B, stored_BC.argmax(1) == log_exact_BC.argmax(1)
