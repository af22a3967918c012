"""Scales of charts: from data to positions, and round ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Scale", "linear", "logarithmic", "tick_text"]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A map from [low, high] in data to [start, end] in the drawing, with the values of its ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Returns the position of a value."""
        low, high, at = (math.log10(one) if self.log else one for one in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)


def linear(low: float, high: float, start: float, end: float, *, count: int = 5, nice: bool = True) -> Scale:
    """Returns a linear scale with about `count` round ticks; `nice` widens it to whole ticks."""
    if high <= low:
        reach = abs(low) * 0.05 or 1.0
        low, high = low - reach, high + reach
    step = _step((high - low) / count)
    first, last = (math.floor if nice else math.ceil)(low / step), (math.ceil if nice else math.floor)(high / step)
    ticks = tuple(round(index * step, 12) for index in range(first, last + 1))
    if nice:
        low, high = ticks[0], ticks[-1]
    return Scale(low=low, high=high, start=start, end=end, ticks=ticks)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Returns a logarithmic scale of positive values with ticks at 1, 2 and 5 times powers of ten."""
    low, high = low / 1.2, high * 1.2
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 3
    ticks = tuple(
        value
        for power in decades
        for digit in ((1,) if wide else (1, 2, 5))
        if low <= (value := digit * 10**power) <= high
    )
    return Scale(low=low, high=high, start=start, end=end, ticks=ticks or (low * 1.2,), log=True)


def _step(rough: float) -> float:
    """Returns the smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is at least `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 2.5, 5, 10) if digit * power >= rough * 0.999)


def tick_text(value: float) -> str:
    """Returns a tick as short as it can be written exactly, thousands with k and millions with M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= 10 * size or (abs(value) >= size and unit == "M"):
            return f"{value / size:.6g}{unit}".replace("-", "−")
    return f"{value:.6g}".replace("-", "−")
