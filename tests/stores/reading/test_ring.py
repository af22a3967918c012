"""The ring of blocks: whatever a place says lies there, and it never takes more than its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dgkd_stores.reading.ring import NOWHERE, Ring


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 300),
    st.lists(st.tuples(st.sampled_from(("keep", "fail", "drop", "more")), st.integers(0, 2), st.integers(0, 9))),
)
def test_what_is_in_the_ring_is_what_was_put_there(limit: int, steps: list[tuple[str, int, int]]) -> None:
    """Three stores with blocks of 7, 32 and 100 bytes: whatever a place says lies there, whole and not overwritten."""
    sizes, ring = (7, 32, 100), Ring(limit)
    places = [np.full(10, NOWHERE, np.int64) for _ in sizes]
    held: dict[tuple[int, int], int] = {}
    for number, (step, store, block) in enumerate(steps):
        ring.reserve(sum(sizes[: store + 1]) * (3 if step == "more" else 1), sizes[store])
        if step == "drop":
            ring.drop(places[store])
        elif places[store][block] < 0:
            ring.room(sizes[store])[:] = number % 251
            if step != "fail":
                ring.keep(places[store], block, sizes[store])
                held[store, block] = number % 251
        assert ring.memory.size <= max(limit, *sizes)
        for at, place_B in enumerate(places):
            for there in np.flatnonzero(place_B >= 0).tolist():
                found = ring.memory[place_B[there] : place_B[there] + sizes[at]]
                assert len(found) == sizes[at] and (found == held[at, there]).all()


def test_the_oldest_block_goes_first_and_the_last_store_gives_the_memory_back() -> None:
    ring, first, second = Ring(100), np.full(4, NOWHERE, np.int64), np.full(4, NOWHERE, np.int64)
    ring.reserve(1000, 30)
    for places, block in ((first, 0), (second, 0), (first, 1)):
        ring.room(30)
        ring.keep(places, block, 30)
    assert (first.tolist(), second.tolist()) == ([0, 60, -1, -1], [30, -1, -1, -1])
    ring.room(30)
    ring.keep(second, 3, 30)
    assert (first.tolist(), second.tolist()) == ([-1, 60, -1, -1], [30, -1, -1, 0])
    ring.drop(first)
    assert ring.memory.size == 100
    ring.drop(second)
    assert ring.memory.size == 0


def test_less_memory_than_wanted_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    really, ring = np.empty, Ring(2**20)

    def empty(size: int, dtype: Any) -> Any:
        if size > 1000:
            raise MemoryError
        return really(size, dtype)

    monkeypatch.setattr("dgkd_stores.reading.ring.np.empty", empty)
    ring.reserve(2**20, 100)
    assert 100 <= ring.memory.size <= 1000
    memory = ring.memory
    ring.reserve(2**20, 100)  # is not tried again at each block
    assert ring.memory is memory
    with pytest.raises(MemoryError):
        Ring(2**20).reserve(2**20, 1001)
