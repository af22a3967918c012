"""The schedule of `GuideBank.loader` follows from the views; ../test_argument_hints.py has its other arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import InvalidInput, Mismatch
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


def test_a_single_guide_that_may_be_dropped_is_logged(bars, three_guides, caplog: pytest.LogCaptureFixture) -> None:
    with GuideBank(three_guides[:1], bars.train) as bank, GuideBank(three_guides, bars.train) as several:
        for rule in (Dropping(kind="none"), Dropping(at_least_one=True), Dropping(always=bank.names)):
            bank.loader(batch_size=100, dropping=rule)
        several.loader(batch_size=100)
        assert caplog.messages == []
        bank.loader(batch_size=100)
        bank.loader(batch_size=100, dropping=Dropping(kind="fixed"))
    assert [record.name for record in caplog.records] == ["dgkd_cache.guides"] * 2
    quarter, always = caplog.messages
    assert quarter.startswith(f"{bank.names[0]}, the only guide, is dropped in 25 % of the batches")
    assert "in 100 % of" in always and always.endswith('dropping=Dropping(kind="none")')


def test_enumerated_views_are_all_needed(bars, enumerated) -> None:
    with GuideBank([enumerated(range(1))], bars.train) as bank, pytest.raises(Mismatch, match="found views 0 to 0"):
        bank.loader(batch_size=100)
