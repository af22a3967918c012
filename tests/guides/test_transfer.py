"""Rows on their way to the device: resident ones are streamed ones, read once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from support.banks import bank_of
from support.guide_writers import narrow as narrow_model

from dgkd_cache.guides.transfer import resident_bytes
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


@pytest.mark.parametrize("resident", [False, True])
def test_rows_of_a_basis_are_one_product_in_float32(bars, plan, dump, tmp_path, pairs, resident: bool) -> None:
    """Rows are as the stores decode them without torch, also under autocast; at another temperature, rescaled."""
    store = dump(tmp_path / "teacher.zarr", narrow_model(), encoding="factored")
    with GuideStore.open(store) as held:
        expected_BC = torch.from_numpy(held.gather(*pairs))
        assert held.header.row_bytes == 2 * 3
    with bank_of([store], plan, bars.train, keep_on_device=resident) as bank:
        assert bank.gather(*pairs).dtype == torch.float32
        torch.testing.assert_close(bank.gather(*pairs)[0], expected_BC, rtol=1e-6, atol=1e-6)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(bank.gather(*pairs)[0], bank.gather(*pairs)[0].float())
            torch.testing.assert_close(bank.gather(*pairs)[0], expected_BC, rtol=1e-6, atol=1e-6)
        assert bank.gather(np.empty(0, np.int64), np.empty(0, np.int64)).shape == (1, 0, 4)
        with pickle.loads(pickle.dumps(bank)) as copy:
            assert torch.equal(copy.gather(*pairs), bank.gather(*pairs))
        if resident:
            assert resident_bytes(bank.stores["teacher"][0]) == 3 * 100 * 6 + 4 * (4 * 3 + 4)
    with bank_of([store], plan, bars.train, temperature=1.0, keep_on_device=resident) as bank:
        torch.testing.assert_close(bank.gather(*pairs)[0], 4 * expected_BC, rtol=1e-6, atol=1e-6)


def test_a_basis_goes_with_other_encodings(bars, plan, dump, make_tiny, tmp_path, pairs) -> None:
    stores = [
        dump(tmp_path / "teacher.zarr", narrow_model(), encoding="factored"),
        dump(tmp_path / "ta1.zarr", make_tiny(2), encoding="float16"),
    ]
    with bank_of(stores, plan, bars.train) as bank, GuideStore.open(stores[0]) as held:
        rows_KBC = bank.gather(*pairs)
        assert rows_KBC.shape == (2, 64, 4) and rows_KBC.dtype == torch.float32
        torch.testing.assert_close(rows_KBC[0], torch.from_numpy(held.gather(*pairs)), rtol=1e-6, atol=1e-6)
