"""Rows of `topk` in training: the same on the device as without torch, at stored temperatures, for losses that fit."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from support.banks import bank_of
from support.guide_writers import network

from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.topk_rows import encoding_at, require_all_classes
from dgkd_cache.guides.transfer import resident_bytes
from dgkd_stores import GuideStore, get_encoding

TWO = {"encoding": "topk", "topk": 2}


@pytest.mark.parametrize("resident", [False, True])
def test_rows_are_those_of_the_store_at_each_temperature(bars, plan, dump, tmp_path, pairs, resident: bool) -> None:
    store = dump(tmp_path / "teacher.zarr", network(), **TWO, topk_temperatures=(2.0,))
    with GuideStore.open(store) as held:
        stored = held.gather_stored(*pairs)
        expected = {at: torch.from_numpy(held.encoding.at(at).decode(stored)) * (4 / at) for at in (4.0, 2.0, 1.0)}
        assert not torch.equal(expected[4.0] * 4, expected[1.0])
    for temperature, rows_BC in expected.items():
        with bank_of([store], plan, bars.train, temperature=temperature, keep_on_device=resident) as bank:
            found_BC = bank.gather(*pairs)[0]
            assert found_BC.dtype == torch.float32 and bank.topk_names == ("teacher",)
            torch.testing.assert_close(found_BC, rows_BC, rtol=1e-6, atol=1e-6)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                assert torch.equal(bank.gather(*pairs)[0], found_BC)
            assert bank.gather(np.empty(0, np.int64), np.empty(0, np.int64)).shape == (1, 0, 4)
            with pickle.loads(pickle.dumps(bank)) as copy:
                assert torch.equal(copy.gather(*pairs)[0], found_BC)
            if resident:
                assert resident_bytes(bank.stores["teacher"][0]) == 3 * 100 * (2 * 4 + 3 * 4)


def test_classes_beyond_the_largest_int16_keep_their_places() -> None:
    """torch gets uint16 as int16 of the same bytes; a numpy array and a tensor of it decode to the same bits."""
    rows_BC = np.random.default_rng(0).normal(size=(5, 65_536)).astype(np.float32)
    held_as = get_encoding("topk").with_settings({"k": 40, "temperatures": ["4", "1"]}, 65_536)
    stored = held_as.encode(rows_BC)
    assert stored["index"].max() > 2**15
    tensors = {name: torch.from_numpy(array) for name, array in stored.items()}
    signed = {**tensors, "index": torch.from_numpy(stored["index"].view(np.int16))}
    for at in (4.0, 1.0):
        expected = held_as.at(at).decode(stored)
        for given in (tensors, signed):
            assert held_as.at(at).decode(given).numpy().tobytes() == expected.tobytes()


def test_another_temperature_is_refused_by_name(bars, plan, dump, tmp_path) -> None:
    store = dump(tmp_path / "teacher.zarr", network(), **TWO)
    words = (
        r"guide 'teacher' \(.*\) has rows of its largest logits.*: expected training at temperature 4 or 1, found 2; "
        "train at temperature 4, or dump the guide again with 2 among its topk_temperatures"
    )
    with pytest.raises(Mismatch, match=words) as caught:
        bank_of([store], plan, bars.train, temperature=2.0)
    assert caught.value.exit_code == 13


def test_some_of_the_classes_alone_are_refused(dump, tmp_path) -> None:
    store = dump(tmp_path / "teacher.zarr", network(), **TWO)
    with GuideStore.open(store) as held:
        with pytest.raises(Mismatch, match="expected all its 4 classes, in any order, found 3 of them"):
            encoding_at(held, 4.0, np.array([0, 2, 3]))
        assert encoding_at(held, 4.0, np.array([3, 1, 0, 2])).temperatures == (4.0, 1.0)
    with GuideStore.open(dump(tmp_path / "ta1.zarr", network())) as held:
        assert encoding_at(held, 3.0, np.array([0, 2])) is held.encoding


@pytest.mark.parametrize(
    ("guide_loss", "found"),
    [
        (GuideLoss(kind="dkd"), "dkd"),
        (GuideLoss(kind="dist"), "dist"),
        (GuideLoss(standardize=True), "standardize"),
    ],
)
def test_losses_of_all_classes_are_refused(bars, plan, dump, make_tiny, tmp_path, guide_loss, found: str) -> None:
    stores = [dump(tmp_path / "teacher.zarr", network(), **TWO), dump(tmp_path / "ta1.zarr", make_tiny(1))]
    words = f"the guide loss {found} needs the logits of all classes, .*: expected kl .* found {found}, under teacher"
    with bank_of(stores, plan, bars.train) as bank:
        assert bank.topk_names == ("teacher",)
        batch = next(iter(bank.loader(batch_size=8, epochs=1, dropping=Dropping(kind="none"))))
        assert batch.topk_names == ("teacher",)
        logits_BC = torch.zeros(8, 4)
        with pytest.raises(InvalidInput, match=words):
            batch.loss(logits_BC, guide_loss=guide_loss)
        for allowed in (GuideLoss(), GuideLoss(weights="student")):
            assert batch.loss(logits_BC, guide_loss=allowed).isfinite()
        with pytest.raises(InvalidInput, match="'guide_loss' cannot be used: expected a GuideLoss"):
            batch.loss(logits_BC, guide_loss="kl")
        plain = dataclasses.replace(batch, topk_names=())
        assert plain.loss(logits_BC, guide_loss=guide_loss).isfinite()
    require_all_classes(guide_loss, (), do="")


def test_the_loss_is_kl_to_the_row_that_is_spread(bars, plan, as_input, dump, tmp_path) -> None:
    """With the student's own tail even as well, it is KL over the classes that are kept and the others together."""
    model = network()
    store = dump(tmp_path / "teacher.zarr", model, **TWO)
    with bank_of([store], plan, bars.train) as bank:
        batch = next(iter(bank.loader(batch_size=16, epochs=1, dropping=Dropping(kind="none"))))
        with torch.no_grad():
            guide_BC = (model(as_input(batch.pixels)) / 4).double().softmax(1)
        kept_BK = guide_BC.topk(2, dim=1).indices
        student_BC = torch.zeros(16, 4).scatter_(1, kept_BK, torch.tensor([[3.0, 1.0]]).expand(16, 2))
        q_BC = (student_BC.double() / 4).softmax(1)

        def together(p_BC: torch.Tensor) -> torch.Tensor:
            kept = p_BC.gather(1, kept_BK)
            return torch.cat([kept, 1 - kept.sum(1, keepdim=True)], 1)

        p, q = together(guide_BC), together(q_BC)
        expected = float((p * (p / q).log()).sum(1).mean())
        assert float(batch.loss_parts(student_BC).kl) == pytest.approx(expected, abs=1e-4)
