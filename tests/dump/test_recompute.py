"""Rows of a store beside those computed now: every bit on the machine of the dump, tolerances elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dgkd_cache.dump.recompute import compare_rows, draw_batches
from dgkd_stores import ChunkSlot, GuideStore


@pytest.fixture
def store(three_guides: list[Path]) -> Iterator[GuideStore]:
    """Three views of 100 samples, in batches of 32."""
    with GuideStore.open(three_guides[0]) as opened:
        yield opened


def computed(store: GuideStore, change: float = 0.0) -> list[tuple[ChunkSlot, np.ndarray]]:
    """The store's own rows in the dump's batches; in view 1, sample 40, a logit is off by that share of the largest."""
    rows = []
    for slot in draw_batches(store, 300):
        sample_B = np.arange(slot.start, slot.stop)
        logits_BC = store.gather(np.full(len(sample_B), slot.view), sample_B).astype(np.float32)
        if slot.view == 1 and slot.start <= 40 < slot.stop:
            row_C = logits_BC[40 - slot.start]
            row_C[np.abs(row_C).argmin()] += change * np.abs(row_C).max()
        rows.append((slot, logits_BC))
    return rows


def test_as_many_rows_as_there_are_means_every_batch(store: GuideStore) -> None:
    cuts = [(0, 32), (32, 64), (64, 96), (96, 100)]
    expected = [(view, *cut) for view in range(3) for cut in cuts]
    for rows in (300, 10**6):
        assert [(slot.view, slot.start, slot.stop) for slot in draw_batches(store, rows)] == expected


def test_fewer_rows_are_whole_batches_in_order_each_once(store: GuideStore) -> None:
    every = draw_batches(store, 300)
    few, others = draw_batches(store, 5), draw_batches(store, 6)
    assert few == draw_batches(store, 5) != others
    assert 1 <= len(few) <= 5 and len(set(few)) == len(few)
    assert few == [slot for slot in every if slot in few]


@pytest.mark.parametrize("exact", [True, False])
def test_the_same_rows_do_not_differ(store: GuideStore, exact: bool) -> None:
    found = compare_rows(store, computed(store), held_as=store.encoding, exact=exact)
    assert (found.rows, found.batches, found.differing, found.first, found.largest) == (300, 12, 0, None, 0.0)


@pytest.mark.parametrize(
    ("change", "exact", "differs"),
    [
        (1e-5, True, True),
        (1e-5, False, False),
        (0.009, False, False),
        (0.011, False, True),
    ],
)
def test_one_changed_row_is_named_beyond_a_hundredth_or_a_bit(
    store: GuideStore, change: float, exact: bool, differs: bool
) -> None:
    """A hundredth of a row's largest logit is the tolerance of float32; its encoding, float32 too, loses nothing."""
    found = compare_rows(store, computed(store, change), held_as=store.encoding, exact=exact)
    assert (found.differing, found.first) == ((1, (1, 40)) if differs else (0, None))
