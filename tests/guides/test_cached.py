"""One guide of one store or of several: which stores make one guide, and their rows."""

from __future__ import annotations

import hashlib

import pytest
import torch
from support.banks import bank_of

import dgkd_stores
from dgkd_cache.errors import InvalidInput, Mismatch


def test_stores_of_one_guide_with_other_views_are_one_guide(bars, plan, dump, make_tiny, tmp_path, pairs):
    model = make_tiny(3)
    whole = dump(tmp_path / "teacher.zarr", model, encoding="float32")
    first = dump(tmp_path / "a.zarr", model, name="teacher", views=range(2), encoding="float32")
    rest = dump(tmp_path / "b.zarr", model, name="teacher", views=range(2, 3), encoding="float32")
    with bank_of([whole], plan, bars.train) as one, bank_of([rest, first], plan, bars.train) as two:
        assert two.names == ("teacher",)
        assert torch.equal(one.gather(*pairs), two.gather(*pairs))
        seals = [dgkd_stores.GuideStore.open(path).seal for path in (first, rest)]
        assert two.identities == {"teacher": hashlib.sha256("".join(seals).encode()).hexdigest()}


def test_too_few_views_are_refused(bars, plan, dump, make_tiny, tmp_path, three_guides) -> None:
    """Each of the two ways of the hint helps."""
    with pytest.raises(Mismatch, match="too few views: expected views 0 to 4, found no view 3") as caught:
        bank_of(three_guides, plan, bars.train, views=range(5))
    assert caught.value.exit_code == 13
    assert caught.value.do.startswith("leave views out, for those that all guides have, or add a store of the missing")
    with bank_of(three_guides, plan, bars.train) as bank:
        assert bank.views == range(3)
    model = make_tiny(1)
    stores = [
        dump(tmp_path / f"{some.start}.zarr", model, name="teacher", views=some) for some in (range(3), range(3, 5))
    ]
    with bank_of(stores, plan, bars.train, views=range(5)) as bank:
        assert bank.views == range(5)


def test_the_same_guide_twice_is_refused(bars, plan, three_guides) -> None:
    with pytest.raises(InvalidInput, match="given twice for the same views.*view 0"):
        bank_of([three_guides[0], three_guides[0]], plan, bars.train)


def test_two_models_under_one_name_are_refused(bars, plan, dump, make_tiny, tmp_path, three_guides) -> None:
    other = dump(tmp_path / "x.zarr", make_tiny(7), name="teacher", views=range(3, 5), encoding="float32")
    with pytest.raises(Mismatch, match="hold different models"):
        bank_of([three_guides[0], other], plan, bars.train)
