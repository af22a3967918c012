"""A rate on a clock that the work itself moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dgkd_cache.estimate.rates import samples_per_second

CPU = torch.device("cpu")


class Working:
    """Pieces of 10 samples; each takes what is next in `pieces`, and the last of them for ever after."""

    def __init__(self, *pieces: float) -> None:
        self.pieces, self.now, self.done, self.closed = list(pieces), 0.0, 0, False

    def work(self) -> Iterator[int]:
        try:
            while True:
                self.now += self.pieces.pop(0) if len(self.pieces) > 1 else self.pieces[0]
                self.done += 1
                yield 10
        finally:
            self.closed = True


@pytest.mark.parametrize(
    ("seconds", "pieces", "done", "rate"),
    [
        (6.0, (100.0, 2.0), 1 + 3, 5.0),  # the first is not counted
        (5.0, (100.0, 2.0), 1 + 3, 5.0),
        (0.1, (100.0, 2.0), 1 + 1, 5.0),  # at least one
        (8.0, (100.0, 1.0, 3.0, 4.0), 1 + 3, 30 / 8),
    ],
)
def test_a_rate(seconds: float, pieces: tuple[float, ...], done: int, rate: float) -> None:
    working = Working(*pieces)
    found = samples_per_second(working.work(), seconds=seconds, clock=lambda: working.now, device=CPU)
    assert (found, working.done, working.closed) == (rate, done, True)
