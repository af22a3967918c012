"""Whether a processor profits from bfloat16 and channels last: a quick measurement, and what `auto` takes from it.

One thread is measured by its own processor time, so what else runs on the machine hardly matters: with two threads on
two shared cores, the same measurement took ten times as long and chose at random. The combinations take turns, and each
counts by its best round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dgkd_cache.threads import one_thread

__all__ = ["COMBINATIONS", "SAMPLES", "Auto", "Combination", "Profit", "measure_profit"]

Auto = Literal["auto"]

BF16_GAIN = 1.2
"""bf16 rounds coarsely: it is taken only where it is this much faster than float32 at its best."""

CONTIGUOUS_GAIN = 1.05
"""Most networks profit from channels last, so the other format has to win by more than noise."""

SAMPLES = 32
"""In the batch that is measured."""

_SECONDS = 0.3
_ROUNDS = 3
"""The least; more are taken while time is left."""


@dataclass(frozen=True, kw_only=True)
class Combination:
    """How a network is computed: in `float32` or under `bf16` autocast, and in which memory format."""

    precision: str
    channels_last: bool


COMBINATIONS = tuple(
    Combination(precision=precision, channels_last=last) for last in (False, True) for precision in ("float32", "bf16")
)
"""All there are."""


@dataclass(frozen=True, kw_only=True)
class Profit:
    """Processor seconds of a small convolutional training step in each combination that was measured."""

    seconds: Mapping[Combination, float]

    def best(self, *, precision: str = "auto", channels_last: bool | Auto = "auto") -> Combination:
        """What `auto` takes beside what is given: float32 and channels last, unless others win by their margin.

        A precision that was not measured is never taken by `auto`; where it is given, channels last goes with it.
        """
        if precision == "auto":
            float32, bf16 = (self._fastest(name, channels_last) for name in ("float32", "bf16"))
            precision = "bf16" if bf16 * BF16_GAIN <= float32 else "float32"
        if channels_last == "auto":
            contiguous, last = (self._fastest(precision, format) for format in (False, True))
            channels_last = not contiguous * CONTIGUOUS_GAIN < last
        return Combination(precision=precision, channels_last=channels_last)

    def _fastest(self, precision: str, channels_last: bool | Auto) -> float:
        of_it = (
            seconds
            for each, seconds in self.seconds.items()
            if each.precision == precision and channels_last in ("auto", each.channels_last)
        )
        return min(of_it, default=float("inf"))


def measure_profit(*, bf16: bool, clock: Callable[[], float] = time.thread_time) -> Profit:
    """Measures a thread of the processor, about half a second; bf16 only where `bf16` says that it is native.

    Emulated, it is far slower than float32, and measuring it would take longer than all the rest.
    """
    combinations = [each for each in COMBINATIONS if bf16 or each.precision != "bf16"]
    best = dict.fromkeys(combinations, float("inf"))
    with one_thread():
        steps = {each: _step(each) for each in combinations}
        for step in steps.values():
            step()  # kernels are chosen in the first one
        begun, rounds = clock(), 0
        while rounds < _ROUNDS or clock() - begun < _SECONDS:
            for each, step in steps.items():
                started = clock()
                step()
                best[each] = min(best[each], clock() - started)
            rounds += 1
    return Profit(seconds=best)


def _step(each: Combination) -> Callable[[], None]:
    """Forward and backward of a network as the chain's are: 3x3 convolutions whose images shrink as channels grow."""
    layout = torch.channels_last if each.channels_last else torch.contiguous_format
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = nn.Sequential(*_block(3, 16, 1), *_block(16, 32, 2), *_block(32, 64, 2))
        images_BIHW = torch.rand(SAMPLES, 3, 32, 32).to(memory_format=layout)
    network.to(memory_format=layout)

    def step() -> None:
        with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=each.precision == "bf16"):
            features: Tensor = network(images_BIHW)
        features.float().mean().backward()

    return step


def _block(channels: int, width: int, stride: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
