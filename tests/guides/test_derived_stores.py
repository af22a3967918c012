"""Derived stores as guides: a part and a union train as their sources do, and the probe of every source counts."""

from __future__ import annotations

import pytest
import torch

from dgkd_cache.errors import Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import merge, subset


def rows(bank: GuideBank, views: range) -> list[torch.Tensor]:
    given = list(bank.loader(batch_size=32, epochs=len(views), seed=1))
    second = [(batch.partner_labels, batch.label_share) for batch in given if batch.label_share is not None]
    return [
        *(tensor for batch in given for tensor in (batch.pixels, batch.softened, batch.labels)),
        *(tensor for pair in second for tensor in pair),
    ]


@pytest.mark.parametrize("transforms", [["crop(1)", "hflip"], ["crop(1)", "mixup(0.4)"]], ids=["one", "mixed"])
def test_parts_and_unions_give_the_batches_of_the_whole(bars, dump, make_tiny, tmp_path, transforms: list[str]) -> None:
    plan = ViewPlan.build(image=(1, 8, 8), transforms=transforms, held_out=20)
    train = ViewRenderer(plan, bars.train)
    whole = dump(tmp_path / "whole.zarr", make_tiny(1), name="teacher", views=range(4), train=train)
    parts = [tmp_path / "first.zarr", tmp_path / "second.h5"]
    for path, views in zip(parts, (range(0, 1), range(1, 4)), strict=True):
        subset(whole, path, views=views)
    merge(parts, tmp_path / "again.zarr")
    with GuideBank([whole], bars.train) as bank:
        expected = rows(bank, range(4))
        assert len(expected) == 16 * (3 if plan.mixing is None else 5)
    for stores in ([tmp_path / "again.zarr"], parts):
        with GuideBank(stores, bars.train) as bank:
            assert all(torch.equal(*pair) for pair in zip(rows(bank, range(4)), expected, strict=True))
    with GuideBank([whole], bars.train, views=range(1, 4)) as one, GuideBank(parts[1:], bars.train) as two:
        assert two.views == range(1, 4)
        assert all(torch.equal(*pair) for pair in zip(rows(one, two.views), rows(two, two.views), strict=True))


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_source_that_saw_other_pixels_is_seen_in_the_union(
    bars, dump, make_tiny, tmp_path, monkeypatch, wrong
) -> None:
    paths, rendered = [tmp_path / "a.zarr", tmp_path / "b.zarr"], ViewRenderer.pixels
    for number, path in enumerate(paths):
        with monkeypatch.context() as patch:
            if number == wrong:
                patch.setattr(ViewRenderer, "pixels", lambda self, *pairs: rendered(self, *pairs).roll(1, dims=2))
            dump(path, make_tiny(1), name="teacher", views=range(2 * number, 2 * number + 2))
    merge(paths, tmp_path / "c.zarr")
    seen = f"in view [{2 * wrong}{2 * wrong + 1}] of sample .*; (3[0-2]|2[0-9]) of 64 probed pairs differ"
    with pytest.raises(Mismatch, match=f"not the ones that the guide saw: .*{seen}"):
        GuideBank([tmp_path / "c.zarr"], bars.train)
