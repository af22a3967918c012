"""The rate of a piece of work on this machine, on a clock that is given; the first piece is outside the timing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

import torch

__all__ = ["Work", "samples_per_second"]

Work = Generator[int, None, None]
"""Each `next` does one piece and says how many samples that was; it never ends."""


def samples_per_second(work: Work, *, seconds: float, clock: Callable[[], float], device: torch.device) -> float:
    """The rate over at least `seconds` and one piece; waits for what a GPU still has to do."""
    with closing(work):
        next(work)  # kernels are chosen, workers are started
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
