"""Dropping: the rules, their rates, and that a step's draw depends on the seed and the step alone."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.randomness.philox import Domain
from dgkd_cache.randomness.run_random import RunRandom

NAMES = ("teacher", "ta1", "ta2", "ta3")


def masks(rule: Dropping, steps: int, *, seed: int = 0, names=NAMES) -> np.ndarray:
    random = RunRandom(seed)
    return np.array([rule.keep_mask(random, step, names) for step in range(steps)])


def test_bernoulli_keeps_each_guide_with_its_probability_independently() -> None:
    kept = masks(Dropping(keep=0.75), 8000)
    for column in kept.T:
        assert stats.binomtest(int(column.sum()), len(kept), 0.75).pvalue > 1e-4
    patterns = Counter(map(tuple, kept.tolist()))
    expected = [8000 * 0.75 ** sum(p) * 0.25 ** (4 - sum(p)) for p in sorted(patterns)]
    assert len(patterns) == 16
    assert stats.chisquare([patterns[p] for p in sorted(patterns)], expected).pvalue > 1e-4
    # The same test refuses a wrong rate: it can fail.
    assert stats.binomtest(int(masks(Dropping(keep=0.7), 8000)[:, 0].sum()), 8000, 0.75).pvalue < 1e-4


@pytest.mark.parametrize(("keep", "expected"), [(0.0, 0), (1.0, 4)])
def test_the_ends_of_the_range(keep: float, expected: int) -> None:
    assert set(masks(Dropping(keep=keep), 200).sum(1).tolist()) == {expected}


@pytest.mark.parametrize("drop", [0, 1, 3, 4, 9])
def test_fixed_drops_exactly_so_many_uniformly_as_the_authors_code(drop: int) -> None:
    """Theirs removes random.choice(terms) `drop_num` times: every subset of that size is as likely as any other."""
    kept = masks(Dropping(kind="fixed", drop=drop), 6000)
    dropped = min(drop, 4)
    assert set((~kept).sum(1).tolist()) == {dropped}
    seen = Counter(tuple(np.flatnonzero(~row).tolist()) for row in kept)
    assert set(seen) == set(combinations(range(4), dropped))
    if len(seen) > 1:
        assert stats.chisquare(list(seen.values())).pvalue > 1e-4


@pytest.mark.parametrize(("guides", "drop", "left"), [(1, 1, 1), (2, 1, 1), (3, 1, 2), (2, 5, 1)])
def test_fixed_may_leave_one(guides: int, drop: int, left: int) -> None:
    kept = masks(Dropping(kind="fixed", drop=drop, at_least_one=True), 4000, names=NAMES[:guides])
    assert set(kept.sum(1).tolist()) == {left}
    assert stats.chisquare(kept.sum(0)).pvalue > 1e-4 if guides > left else kept.all()


def test_always_and_at_least_one() -> None:
    kept = masks(Dropping(keep=0.3, always=("ta2",)), 500)
    assert kept[:, 2].all() and not kept[:, 0].all()
    rule = Dropping(keep=0.1, at_least_one=True)
    kept = masks(rule, 6000)
    assert kept.sum(1).min() == 1
    plain = masks(Dropping(keep=0.1), 6000)
    rescued = kept[plain.sum(1) == 0]
    assert (rescued.sum(1) == 1).all()
    assert stats.chisquare(rescued.sum(0)).pvalue > 1e-4  # the one that stays is uniform
    assert (kept[plain.sum(1) > 0] == plain[plain.sum(1) > 0]).all()


def test_none_keeps_all_and_no_guides_is_no_mask() -> None:
    assert masks(Dropping(kind="none"), 50).all()
    assert masks(Dropping(at_least_one=True), 3, names=()).shape == (3, 0)


def test_a_step_is_drawn_the_same_in_any_order_and_differs_by_seed() -> None:
    rule, random = Dropping(), RunRandom(5)
    forward = {step: rule.keep_mask(random, step, NAMES).tolist() for step in range(100)}
    again = RunRandom(5)
    backward = {step: rule.keep_mask(again, step, NAMES).tolist() for step in reversed(range(100))}
    assert forward == backward
    assert forward != {s: rule.keep_mask(RunRandom(6), s, NAMES).tolist() for s in range(100)}


def test_a_mask_is_of_the_words_of_its_step() -> None:
    """By hand: keep = 0.5 looks at the upper bit of each guide's own word; more guides do not change the first ones."""
    random = RunRandom(9)
    for step in (0, 11, 2**40):
        words = random.words(Domain.DROPPING, at=step, count=8).tolist()
        for guides in (0, 3, 7):
            mask = Dropping(keep=0.5).keep_mask(random, step, [f"g{i}" for i in range(guides)])
            assert mask.tolist() == [word < 2**63 for word in words[:guides]]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"kind": "bernouli"}, UnknownName, "did you mean bernoulli"),
        ({"keep": 1.2}, InvalidInput, "argument 'keep' cannot be used: expected a number in [0, 1]"),
        ({"drop": -1}, InvalidInput, "argument 'drop' cannot be used: expected an integer from 0 on"),
    ],
)
def test_bad_settings(settings, error, words: str) -> None:
    with pytest.raises(error) as caught:
        Dropping(**settings)
    assert words in str(caught.value) and caught.value.exit_code == 2


def test_an_unknown_guide_to_keep_always() -> None:
    with pytest.raises(UnknownName, match="did you mean .*ta1"):
        masks(Dropping(always=("ta",)), 1)


@pytest.mark.parametrize(
    "dropping",
    [
        Dropping(),
        Dropping(keep=0.3, at_least_one=True),
        Dropping(keep=0.0, at_least_one=True),
        Dropping(keep=0.3, always=("b",)),
        Dropping(keep=0.3, always=("b",), at_least_one=True),
        Dropping(kind="fixed", drop=1),
        Dropping(kind="fixed", drop=5),
        Dropping(kind="fixed", drop=2, at_least_one=True),
        Dropping(kind="fixed", drop=3, at_least_one=True),
        Dropping(kind="none"),
    ],
)
def test_the_kept_share_is_the_mean_of_many_masks(dropping: Dropping) -> None:
    names, steps, random = ("a", "b", "c"), 4000, RunRandom(5)
    masks = np.mean([dropping.keep_mask(random, step, names) for step in range(steps)], axis=0)
    assert masks == pytest.approx(dropping.kept_share(names), abs=5 * 0.5 / steps**0.5)
    assert Dropping().kept_share(()) == ()
