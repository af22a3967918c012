"""The arguments of `GuideBank.loader`: the schedule that follows from the views, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dgkd_cache.errors import InvalidInput, Mismatch, UnknownName
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer


@pytest.fixture(scope="module")
def enumerated(tmp_path_factory, bars, dump, make_tiny) -> Callable[[range], Path]:
    """A store of some of the two views that a flip alone has."""
    views = ViewRenderer(ViewPlan.build(image=(1, 8, 8), transforms=["hflip"], scheme="enumerated"), bars.train)
    folder = tmp_path_factory.mktemp("enumerated")
    return lambda some: dump(folder / f"{some.stop}.zarr", make_tiny(1), name="teacher", train=views, views=some)


def test_sampled_views_are_cycled_and_enumerated_ones_are_drawn(bars, three_guides, enumerated) -> None:
    with GuideBank(three_guides, bars.train) as bank:
        assert [set(batch.views.tolist()) for batch in bank.loader(batch_size=100, epochs=4)] == [{0}, {1}, {2}, {0}]
        drawn = next(iter(bank.loader(batch_size=100, schedule="draw")))
        assert set(drawn.views.tolist()) == {0, 1, 2}
    with GuideBank([enumerated(range(2))], bars.train) as bank:
        assert set(next(iter(bank.loader(batch_size=100))).views.tolist()) == {0, 1}
        with pytest.raises(InvalidInput, match="need the schedule draw: .*leave schedule out"):
            bank.loader(batch_size=100, schedule="cycle")


def test_enumerated_views_are_all_needed(bars, enumerated) -> None:
    with GuideBank([enumerated(range(1))], bars.train) as bank, pytest.raises(Mismatch, match="found views 0 to 0"):
        bank.loader(batch_size=100)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"schedule": "fresh"}, UnknownName, "unknown view schedule 'fresh'|view schedule"),
        ({"order": "sorted"}, UnknownName, "order"),
        ({"samples": np.zeros(0, np.int64)}, InvalidInput, "at least one sample's number"),
        ({"samples": [-1]}, InvalidInput, "no such sample"),
        ({"workers": -1}, InvalidInput, "'workers' cannot be used"),
        ({"epochs": 0}, InvalidInput, "'epochs' cannot be used"),
        ({"epochs": 2, "first_step": 3}, InvalidInput, "expected an integer from 0 to 2, found 3"),
        ({"world_size": 0}, InvalidInput, "'world_size' cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(bars, three_guides, settings, error, words: str) -> None:
    with GuideBank(three_guides, bars.train) as bank, pytest.raises(error, match=words):
        bank.loader(**{"batch_size": 100, **settings})
