"""Prefetching guides: rows are begun ahead, in order, on one thread; an error comes at its step; nothing runs on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from dgkd_cache.guides import prefetch as module
from dgkd_cache.guides.prefetch import AHEAD, prefetch
from dgkd_cache.views.stream import Batch, Pairs

STEPS = 20


def pairs() -> Iterator[Pairs]:
    for step in range(STEPS):
        yield np.full(2, step), np.arange(2)


def render(pairs: Iterator[Pairs]) -> Iterator[Batch]:
    for views_B, samples_B in pairs:
        yield Batch(views_B=views_B, samples_B=samples_B, pixels_BIHW=torch.zeros(2, 1, 1, 1, dtype=torch.uint8))


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("dgkd-guides")}


class Guides:
    def __init__(self, broken: int = -1) -> None:
        self.begun: list[int] = []
        self.broken = broken

    def begin(self, number: int, pairs: Pairs):
        assert threading.current_thread() is not threading.main_thread()
        self.begun.append(number)
        if number == self.broken:
            raise ValueError(f"step {number}")
        assert (pairs[0] == number).all()
        return torch.from_numpy(pairs[0] + 100)


def test_every_batch_comes_with_its_own_rows() -> None:
    guides, seen = Guides(), []
    for step, (batch, rows) in enumerate(prefetch(pairs(), render=render, begin=guides.begin)):
        assert rows.tolist() == [step + 100] * 2 and batch.views_B.tolist() == [step] * 2
        assert step + 1 <= len(guides.begun) <= step + AHEAD
        seen.append(step)
    assert seen == guides.begun == list(range(STEPS)) and not threads()


def test_an_error_is_told_at_its_step_and_ends_the_thread() -> None:
    seen = []
    with pytest.raises(ValueError, match="step 11"):
        for batch, _ in prefetch(pairs(), render=render, begin=Guides(broken=11).begin):
            seen.append(int(batch.views_B[0]))
    assert seen == list(range(11)) and not threads()


def test_a_feed_that_is_closed_begins_nothing_more() -> None:
    guides = Guides()
    fed = prefetch(pairs(), render=render, begin=guides.begin)
    for _ in range(3):
        next(fed)
    fed.close()
    assert len(guides.begun) <= 2 + AHEAD and not threads()


def test_what_is_expected_is_told_long_before_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAR", 12)
    expected: list[int] = []
    fed = prefetch(pairs(), render=render, begin=Guides().begin, expect=lambda pairs: expected.append(int(pairs[0][0])))
    for step, _ in enumerate(fed):
        assert len(expected) <= 12 + step
    assert expected == list(range(STEPS))
