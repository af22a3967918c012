"""A bank takes the plan, the views and the temperature of its stores, or those that are given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from support.ssh_keys import key_pair

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.bank_arguments import check_bank_arguments
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import TrustedKeys, sign_store


def test_images_alone_take_plan_views_and_temperature_from_the_stores(bars, plan, three_guides, pairs) -> None:
    with (
        GuideBank(three_guides, bars.train) as short,
        GuideBank(three_guides, ViewRenderer(plan, bars.train), views=range(3), temperature=4.0) as full,
    ):
        assert short.renderer.plan.digest == plan.digest and short.renderer.images is bars.train
        assert (short.views, short.temperature) == (full.views, full.temperature) == (range(3), 4.0)
        assert torch.equal(short.gather(*pairs), full.gather(*pairs))
        assert short.begin(*pairs)().shape == (3, 64, 4)


def test_the_views_are_those_that_every_guide_has(bars, dump, make_tiny, tmp_path: Path) -> None:
    stores = [dump(tmp_path / f"{name}.zarr", make_tiny(1), views=views) for name, views in (("a", range(4)),)]
    stores.append(dump(tmp_path / "b.zarr", make_tiny(2), views=range(1, 6)))
    with GuideBank(stores, bars.train) as bank:
        assert bank.views == range(1, 4)
        assert {view for batch in bank.loader(batch_size=100, epochs=6) for view in batch.views} == {1, 2, 3}
    apart = dump(tmp_path / "c.zarr", make_tiny(3), views=range(5, 7))
    with pytest.raises(Mismatch, match=r"no range of views in common: .*found a: 0 to 3, b: 1 to 5, c: 5 to 6"):
        GuideBank([*stores, apart], bars.train)
    gap = dump(tmp_path / "a2.zarr", make_tiny(1), name="a", views=range(6, 8))
    with pytest.raises(Mismatch, match="no range of views in common"):
        GuideBank([stores[0], gap], bars.train)
    with GuideBank([stores[0], gap], bars.train, views=range(6, 8)) as bank:
        assert [store.views for store in bank.stores["a"]] == [range(4), range(6, 8)]


def test_several_temperatures_need_one_to_be_given(bars, dump, make_tiny, tmp_path: Path, pairs) -> None:
    stores = [dump(tmp_path / f"{t}.zarr", make_tiny(1), name=f"t{t}", temperature=float(t)) for t in (2, 4)]
    with pytest.raises(InvalidInput, match=r"several temperatures: .*found 2, 4; write temperature=4"):
        GuideBank(stores, bars.train)
    with GuideBank(stores, bars.train, temperature=4) as bank:
        two, four = bank.gather(*pairs)
        torch.testing.assert_close(two.float(), four.float(), rtol=2e-3, atol=2e-3)


def test_images_of_another_kind_are_told_before_their_plan_is_looked_at(bars, three_guides) -> None:
    pixels = torch.zeros(100, 3, 16, 16, dtype=torch.uint8)
    others = TensorImages(pixels, bars.train.labels_N, classes=bars.train.classes, name="o", split="train")
    with pytest.raises(Mismatch, match="was dumped from another data set"):
        GuideBank(three_guides, others)


def test_arguments_are_checked_before_a_store_is_opened(bars) -> None:
    good = (["a.zarr"], bars.train, None, None, None, "auto", False, None, None)
    check_bank_arguments(*good)
    for place, wrong in enumerate(([], bars, range(0), 0.0, 1, None, 1, {}, "lab.pub")):
        with pytest.raises(InvalidInput, match="GuideBank: the argument"):
            check_bank_arguments(*good[:place], wrong, *good[place + 1 :])


def test_guides_are_called_what_they_are_called_here(bars, three_guides, tmp_path: Path) -> None:
    with GuideBank(three_guides, bars.train) as own, GuideBank(three_guides, bars.train, names=["a", "b", "c"]) as bank:
        assert bank.names == ("a", "b", "c") != own.names
        assert [*bank.identities.values()] == [*own.identities.values()]
    for wrong in (["a"], "abc", ["a", "b", ""], 3):
        with pytest.raises(InvalidInput, match="3 names, one for each store, or None"):
            GuideBank(three_guides, bars.train, names=wrong)  # type: ignore[arg-type]


def test_trusted_keys_must_have_signed_every_store(bars, three_guides, tmp_path: Path) -> None:
    private, public = key_pair(tmp_path / "keys")
    trusted = TrustedKeys.read(keys=[public])
    stores = [Path(shutil.copytree(path, tmp_path / path.name)) for path in three_guides]
    for store in stores:
        with pytest.raises(Mismatch, match=f"{store.name} is not signed, and keys are required"):
            GuideBank(stores, bars.train, trusted=trusted)
        sign_store(store, private)
    with GuideBank(stores, bars.train, trusted=trusted) as bank:
        assert len(bank.names) == 3
