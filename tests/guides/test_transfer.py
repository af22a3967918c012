"""Rows on their way to the device: resident ones are streamed ones, read once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.banks import bank_of

from dgkd_stores import GuideStore


@pytest.mark.parametrize("encoding", ["float16", "uint8"])
def test_resident_rows_are_streamed_rows(bars, plan, dump, make_tiny, tmp_path, pairs, monkeypatch, encoding) -> None:
    """The kept views of kept guides are read once, whole; what comes out is the same, byte for byte."""
    stores = [dump(tmp_path / f"{name}.zarr", make_tiny(seed), encoding=encoding) for seed, name in enumerate("abc")]
    keep_G = np.array([True, False, True])
    with (
        bank_of(stores, plan, bars.train) as streamed,
        bank_of(stores, plan, bars.train, keep_on_device=True) as resident,
    ):
        nothing = np.empty(0, np.int64)
        assert resident.gather(nothing, nothing).shape == streamed.gather(nothing, nothing).shape == (3, 0, 4)
        expected = streamed.gather(*pairs, keep_G)
        opened: list[str] = []
        original = GuideStore.gather_stored
        monkeypatch.setattr(
            GuideStore, "gather_stored", lambda self, *at: (opened.append(self.path.name), original(self, *at))[1]
        )
        for _ in range(3):
            assert torch.equal(resident.gather(*pairs, keep_G), expected)
        assert opened == ["a.zarr"] * 3 + ["c.zarr"] * 3  # three views
        views_B, samples_B = pairs
        begun = resident.begin(views_B[::-1], samples_B[::-1], keep_G)
        assert torch.equal(begun(), expected.flip(1))
        assert len(opened) == 6
