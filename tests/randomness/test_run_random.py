"""A run's own randomness: keyed by the seed alone, uniform, and the same after a resume."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from scipy import stats

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import Domain, philox_words
from dgkd_cache.randomness.run_random import BLOCK, WINDOW, RunRandom


def test_key_is_the_hash_of_the_seed() -> None:
    assert RunRandom(17).key16 == hashlib.sha256(b"dgkd-run17").digest()[:16]
    assert RunRandom(0).key16 != RunRandom(1).key16


@pytest.mark.parametrize("seed", [-1, True, 1.5, "3"])
def test_refuses_a_seed_that_is_none(seed: object) -> None:
    with pytest.raises(InvalidInput, match="expected an integer from 0 on, found") as caught:
        RunRandom(seed)
    assert caught.value.exit_code == 2


def test_order_sorts_the_samples_by_their_words() -> None:
    ids = np.arange(100, 141)
    random = RunRandom(5)
    words = philox_words(random.key16, view=3, domain=Domain.ORDER, first_block=0, blocks=11).tolist()
    expected = [int(ids[place]) for place in sorted(range(41), key=lambda place: words[place])]
    assert random.order(3, ids).tolist() == expected
    assert sorted(expected) == ids.tolist() != expected
    assert random.order(4, ids).tolist() != expected


def test_first_samples_of_orders_are_uniform() -> None:
    firsts = [RunRandom(1).order(epoch, np.arange(8))[0] for epoch in range(2000)]
    assert stats.chisquare(np.bincount(firsts, minlength=8)).pvalue > 1e-4


def test_drawn_views_are_uniform_and_do_not_depend_on_how_many_samples_there_are() -> None:
    random = RunRandom(2)
    drawn = random.draw_views(6, 20_000, 162)
    assert stats.chisquare(np.bincount(drawn, minlength=162)).pvalue > 1e-4
    assert drawn[:333].tolist() == random.draw_views(6, 333, 162).tolist()
    assert drawn.tolist() != random.draw_views(7, 20_000, 162).tolist()


def test_more_words_keep_the_first_ones_and_each_step_has_its_own() -> None:
    random = RunRandom(9)

    def words(step: int, count: int) -> list[int]:
        return random.words(Domain.DROPPING, at=step, count=count).tolist()

    assert [len(words(step, count)) for step, count in ((0, 1), (1, 4), (2, 8))] == [1, 4, 8]
    assert words(11, 4) == words(11, 8)[:4]
    assert len({words(step, 4)[0] for step in range(100)}) == 100


def test_torch_accepts_the_seed_and_global_state_does_not_matter() -> None:
    seeds = {RunRandom(seed).torch_seed() for seed in range(200)}
    assert len(seeds) == 200 and max(seeds) < 2**63 and max(seeds) > 2**60
    torch.Generator().manual_seed(max(seeds))
    torch.manual_seed(1)
    np.random.seed(1)
    first = RunRandom(4).order(0, np.arange(50)).tolist()
    torch.manual_seed(2)
    np.random.seed(2)
    assert RunRandom(4).order(0, np.arange(50)).tolist() == first


def test_block_order_keeps_neighbours_together_and_mixes_them() -> None:
    random, samples = RunRandom(3), 200 * BLOCK
    order_N = random.block_order(5, np.arange(samples))
    assert (np.sort(order_N) == np.arange(samples)).all()
    window = BLOCK * WINDOW
    for start in range(0, samples - window, window):
        blocks, counts = np.unique(order_N[start : start + window] // BLOCK, return_counts=True)
        assert len(blocks) == WINDOW and (counts == BLOCK).all() and np.ptp(blocks) > WINDOW
        steps = np.abs(np.diff(order_N[start : start + window]))
        assert np.median(steps) > 10_000  # neighbours in the order are not neighbours on disk
    assert (order_N != random.block_order(6, np.arange(samples))).any()
    assert (order_N != RunRandom(4).block_order(5, np.arange(samples))).any()


def test_block_order_of_a_part_and_of_a_small_set() -> None:
    random = RunRandom(0)
    few = np.arange(0, 50_000, 3)
    assert (random.block_order(1, few) == random.order(1, few)).all()
    part = np.setdiff1d(np.arange(150_000), np.arange(0, 150_000, 7))
    assert (np.sort(random.block_order(1, part)) == part).all()
    assert random.block_order(1, []).shape == (0,)
