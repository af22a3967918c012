"""Schedules: which view for (epoch, sample); and enumerated views drawn at random are online augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule, check_schedule

ENUMERATED = ViewPlan.build(image=(1, 8, 8), transforms=["crop(4)", "hflip"], scheme="enumerated")
SAMPLED = ViewPlan.build(image=(1, 8, 8), transforms=["crop(4)", "hflip"])


def test_cycle_goes_through_its_views() -> None:
    schedule = Schedule("cycle", range(3, 6), random=RunRandom(0), samples=10)
    assert [schedule.views(epoch, [4, 1]).tolist() for epoch in range(4)] == [[3, 3], [4, 4], [5, 5], [3, 3]]


def test_fresh_is_the_epoch_without_bound() -> None:
    schedule = Schedule("fresh", random=RunRandom(0), samples=10)
    assert schedule.views(1_000_000, np.arange(2)).tolist() == [1_000_000] * 2


def test_draw_depends_on_epoch_and_sample_not_on_who_asks() -> None:
    schedule = Schedule("draw", range(10, 172), random=RunRandom(3), samples=500)
    whole = schedule.views(2, np.arange(500))
    assert whole.min() >= 10 and whole.max() < 172
    assert schedule.views(0, np.arange(500)).tolist() != whole.tolist()
    again = Schedule("draw", range(10, 172), random=RunRandom(3), samples=500)
    some = np.array([499, 7, 7, 0])
    assert again.views(2, some).tolist() == whole[some].tolist()
    assert (whole - 10).tolist() == RunRandom(3).draw_views(2, 500, 162).tolist()


@pytest.mark.parametrize("views", [None, range(5, 5), range(0, 10, 2), range(-1, 3)])
def test_refuses_no_views(views: Any) -> None:
    with pytest.raises(InvalidInput, match="no views to schedule: expected a count from 1 on"):
        Schedule("cycle", views, random=RunRandom(0), samples=3)


@pytest.mark.parametrize("views", [0, -2, True, 2.0, [0, 1]])
def test_refuses_what_is_no_count_of_views(views: Any) -> None:
    with pytest.raises(InvalidInput, match="Schedule: the argument 'views' cannot be used"):
        Schedule("cycle", views, random=RunRandom(0), samples=3)


@pytest.mark.parametrize(
    ("plan", "kind", "count", "message"),
    [
        (SAMPLED, "cycel", 4, "unknown view schedule 'cycel'.*did you mean cycle"),
        (SAMPLED, "cycle", 0, "bad number of views: expected an integer from 1 on, found 0"),
        (ENUMERATED, "cycle", 162, 'enumerated views need the schedule draw.*found schedule = "cycle"; set'),
        (ENUMERATED, "fresh", 162, "enumerated views need the schedule draw"),
        (
            ENUMERATED,
            "draw",
            100,
            "need all outcomes: expected count = 162, found count = 100; set count = 162",
        ),
    ],
)
def test_refuses_schedules_that_a_plan_cannot_have(plan: ViewPlan, kind: str, count: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        check_schedule(plan, kind, count)
    assert caught.value.exit_code == 2


def test_accepts_what_makes_sense() -> None:
    check_schedule(ENUMERATED, "draw", 162)
    for kind in ("cycle", "draw", "fresh"):
        check_schedule(SAMPLED, kind, 1)
    with pytest.raises(UnknownName):
        Schedule("cycel", 3, random=RunRandom(0), samples=3)


def outcome_counts(noise: Any, views_N: np.ndarray) -> np.ndarray:
    """Each of the 162 outcomes is counted, told from the pixels alone."""
    images = noise(1, (1, 8, 8))
    pixels = ViewRenderer(ENUMERATED, images).pixels(views_N, np.zeros(len(views_N), np.int64))
    every = ViewRenderer(ENUMERATED, images).pixels(np.arange(162), np.zeros(162, np.int64))
    place = {tuple(outcome.flatten().tolist()): number for number, outcome in enumerate(every)}
    assert len(place) == 162
    return np.bincount([place[tuple(seen.flatten().tolist())] for seen in pixels], minlength=162)


def online_counts(noise: Any, draws: int) -> np.ndarray:
    """The same for torchvision's random pad-4 crop and flip."""
    images = noise(1, (1, 8, 8))
    every = ViewRenderer(ENUMERATED, images).pixels(np.arange(162), np.zeros(162, np.int64))
    place = {tuple(outcome.flatten().tolist()): number for number, outcome in enumerate(every)}
    online = v2.Compose([v2.RandomCrop(8, padding=4), v2.RandomHorizontalFlip()])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        seen = [place[tuple(online(images.image(0)).flatten().tolist())] for _ in range(draws)]
    return np.bincount(seen, minlength=162)


def test_a_draw_over_enumerated_views_is_online_augmentation(noise: Any) -> None:
    schedule = Schedule("draw", 162, random=RunRandom(1), samples=4000)
    drawn = np.concatenate([schedule.views(epoch, np.arange(4000)) for epoch in range(5)])
    ours = outcome_counts(noise, drawn)
    assert stats.chisquare(ours).pvalue > 1e-3
    theirs = online_counts(noise, 8000)
    assert stats.chi2_contingency(np.stack([ours, theirs])).pvalue > 1e-3

    # The same tests refuse a draw that leaves one view out, and one that takes some views a tenth too often.
    without_last = outcome_counts(noise, drawn[drawn != 161])
    assert stats.chisquare(without_last).pvalue < 1e-6
    assert stats.chi2_contingency(np.stack([without_last, theirs])).pvalue < 1e-6
    uniform = RunRandom(2).draw_views(0, 20_000, 2**20) / 2**20
    assert stats.chisquare(outcome_counts(noise, (162 * uniform**1.2).astype(np.int64))).pvalue < 1e-6


def test_one_samples_views_over_epochs_are_uniform_too() -> None:
    schedule = Schedule("draw", 18, random=RunRandom(4), samples=7)
    seen = np.concatenate([schedule.views(epoch, [6]) for epoch in range(3000)])
    assert stats.chisquare(np.bincount(seen, minlength=18)).pvalue > 1e-3
