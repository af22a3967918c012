"""Measures the rate of a workload on this machine with a given clock; the first piece is warm-up."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

import torch

__all__ = ["Work", "samples_per_second"]

Work = Generator[int, None, None]
"""An endless workload: each `next` does one piece and yields its number of samples."""


def samples_per_second(work: Work, *, seconds: float, clock: Callable[[], float], device: torch.device) -> float:
    """Measures the rate over at least `seconds` and one piece; waits for the GPU to finish."""
    with closing(work):
        next(work)  # warm-up: kernels are chosen, workers are started
        _wait(device)
        started = clock()
        samples = next(work)
        while clock() - started < seconds:
            samples += next(work)
        _wait(device)
        return samples / (clock() - started)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
