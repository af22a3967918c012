"""topk against plain arithmetic in Python: which classes are kept, what the others weigh, and what rows decode to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore, GuideStoreWriter, InvalidInput, convert, verify
from dgkd_stores.coding.encodings import Topk

Array = np.ndarray[Any, Any]


def softmax(row: list[float], scale: float) -> list[float]:
    top = max(row)
    weights = [math.exp((x - top) * scale) for x in row]
    return [weight / math.fsum(weights) for weight in weights]


def kept_of(row: list[float], k: int) -> list[int]:
    """The classes of the k largest logits in ascending order, the lower class first where logits are equal."""
    return sorted(sorted(range(len(row)), key=lambda label: (-row[label], label))[:k])


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.floats(-30, 30, width=16) | st.sampled_from([0.0, -0.0, 1.0]), min_size=6, max_size=6),
        min_size=1,
        max_size=4,
    ),
    k=st.integers(1, 5),
)
def test_the_kept_logits_and_the_share_of_the_others(rows: list[list[float]], k: int) -> None:
    """At each temperature the classes that are kept have their probabilities, and the others theirs, spread evenly."""
    held_as = Topk(k, ("4", "0.5", "1"), 6)
    stored = held_as.encode(np.array(rows, np.float32))
    assert [array.dtype.name for array in stored.values()] == ["uint16", "float16", "float32"]
    for temperature in (4.0, 0.5, 1.0):
        decoded_BC = held_as.at(temperature).decode(stored)
        assert decoded_BC.dtype == np.float32 and decoded_BC.shape == (len(rows), 6)
        for row, index, found in zip(rows, stored["index"].tolist(), decoded_BC.tolist(), strict=True):
            kept = kept_of(row, k)
            assert index == kept and [found[label] for label in kept] == [row[label] for label in kept]
            exact, given_out = (softmax(each, 4 / temperature) for each in (row, found))
            others = [label for label in range(6) if label not in kept]
            share = math.fsum(exact[label] for label in others) / len(others)
            assert given_out == pytest.approx([exact[c] if c in kept else share for c in range(6)], abs=2e-5)
    assert held_as.decode(stored).tobytes() == held_as.at(4.0).decode(stored).tobytes()


def test_a_tail_of_one_class_is_its_logit() -> None:
    rows_BC = np.array([[1.5, -2, 3, 0.25], [7, 7, 7, 7]], np.float32)
    held_as = Topk(3, ("2", "1"), 4)
    stored = held_as.encode(rows_BC)
    assert (held_as.decode(stored) == rows_BC).all()
    assert stored["index"].tolist() == [[0, 2, 3], [0, 1, 2]]
    assert stored["tail"].tolist() == [[-2, -4], [7, 14]]


def test_the_kl_of_a_row_is_what_spreading_loses() -> None:
    """KL(exact || decoded) is the share of the others times (log of their number - their entropy)."""
    rows_BC = np.random.default_rng(0).normal(0, 0.6, (200, 1000)).astype(np.float32)
    rows_BC[:, 17] += 3
    held_as = Topk(20, ("4", "1"), 1000)
    for temperature in (4.0, 1.0):
        exact = rows_BC.astype(np.float64) * 4 / temperature
        p_BC = np.exp(exact - exact.max(axis=1, keepdims=True))
        p_BC /= p_BC.sum(axis=1, keepdims=True)
        decoded = held_as.at(temperature).decode(held_as.encode(rows_BC)).astype(np.float64) * 4 / temperature
        log_q_BC = decoded - np.log(np.exp(decoded).sum(axis=1, keepdims=True))
        rest_BT = np.sort(p_BC, axis=1)[:, :-20]
        share_B = rest_BT.sum(axis=1)
        entropy_B = -(rest_BT / share_B[:, None] * np.log(rest_BT / share_B[:, None])).sum(axis=1)
        expected_B = share_B * (math.log(980) - entropy_B)
        np.testing.assert_allclose((p_BC * (np.log(p_BC) - log_q_BC)).sum(axis=1), expected_B, atol=1e-5)


def test_float32_tails_are_as_near_as_the_logits() -> None:
    """In float16 the tail of so many classes, near 12, would be off by 2^-8."""
    rows_BC = np.random.default_rng(0).normal(0, 2, (8, 21_841)).astype(np.float32)
    stored = Topk(10, ("1",), 21_841).encode(rows_BC)
    for row, tail in zip(rows_BC.tolist(), stored["tail"][:, 0].tolist(), strict=True):
        rest = sorted(row)[:-10]
        exact = math.log(math.fsum(map(math.exp, rest)))
        assert abs(tail - exact) < 2**-20 < abs(float(np.float16(exact)) - exact) and exact > 11


@pytest.mark.parametrize(
    ("classes", "dtype", "nbytes"), [(2**16, "uint16", 4 * 3 + 8), (2**16 + 1, "int32", 6 * 3 + 8)]
)
def test_every_class_is_exact(classes: int, dtype: str, nbytes: int) -> None:
    rows_BC = np.zeros((2, classes), np.float32)
    rows_BC[0, [0, 2049, classes - 1]] = [1, 3, 2]  # float16 holds no 2,049
    rows_BC[1, [7, 8, classes - 2]] = [5, 5, 5]
    held_as = Topk(3, ("4", "1"), classes)
    stored = held_as.encode(rows_BC)
    assert stored["index"].dtype == dtype and held_as.row_bytes(classes) == nbytes
    assert stored["index"].tolist() == [[0, 2049, classes - 1], [7, 8, classes - 2]]
    np.testing.assert_allclose(held_as.decode(stored), rows_BC, atol=1e-6)
    assert held_as.finite(stored)


def test_condensed_rows_are_encoded_as_their_logits_are(monkeypatch: pytest.MonkeyPatch) -> None:
    held_as = Topk(4, ("4", "1", "8"), 50)
    logits_BC = np.random.default_rng(1).normal(size=(20, 50)).astype(np.float32)
    rows_BF = held_as.condense(logits_BC)
    assert rows_BF.shape == (20, held_as.columns(50)) == (20, 11) and rows_BF.dtype == np.float32
    stored, again = held_as.encode(logits_BC), held_as.encode_condensed(rows_BF)
    assert held_as.encode_condensed(held_as.condensed(stored)).keys() == again.keys() == stored.keys()
    for name, array in stored.items():
        assert array.tobytes() == again[name].tobytes()
        assert array.tobytes() == held_as.encode_condensed(held_as.condensed(stored))[name].tobytes()
    assert held_as.largest_class(rows_BF).tolist() == logits_BC.argmax(axis=1).tolist()
    np.testing.assert_array_equal(np.sort(held_as.expand(rows_BF), axis=1)[:, -4:], np.sort(logits_BC, axis=1)[:, -4:])
    assert held_as.condense(logits_BC[:0]).shape == (0, 11)
    monkeypatch.setattr("dgkd_stores.coding.encodings.topk._SLAB", 150)  # three rows at a time
    assert held_as.condense(logits_BC).tobytes() == rows_BF.tobytes()
    assert held_as.decode(held_as.encode(logits_BC[:0])).shape == (0, 50)


def test_the_largest_class_is_one_that_is_kept() -> None:
    """The first class is the largest where all logits are alike, though rounding may lift the others above it."""
    rows_BC = np.full((3, 11), 0.1, np.float32)
    held_as = Topk(1, ("4", "1"), 11)
    assert held_as.largest_class(held_as.condense(rows_BC)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("index", [(0, 0, 2), (2, 1, 3), (0, 1, 5), (-1, 1, 2), (0, 1, 2.5)])
def test_condensed_rows_of_other_classes_are_refused(index: tuple[float, ...]) -> None:
    rows_BF = np.array([[*index, 1, 1, 1, 0, 0]], np.float32)
    with pytest.raises(InvalidInput, match="condensed rows .*: expected 3 classes from 0 to 4 first, in ascending"):
        Topk(3, ("4", "1"), 5).encode_condensed(rows_BF)


def test_what_half_precision_cannot_hold_is_refused() -> None:
    held_as = Topk(2, ("4", "1"), 4)
    with pytest.raises(InvalidInput, match="too large for topk: expected at most 65504 in size, found 100000"):
        held_as.encode(np.array([[1e5, 3, 2, 1]], np.float32))
    with pytest.raises(InvalidInput, match="expected finite logits, found NaN or infinity"):
        held_as.encode(np.array([[1, 2, 3, -np.inf]], np.float32))
    # Classes that a model has masked lie in the tail, down to a bound.
    assert (held_as.decode(held_as.encode(np.array([[3, 2, -1e9, -1e9]], np.float32)))[:, 2:] < -9e8).all()
    with pytest.raises(InvalidInput, match="too large for topk: expected at most 65504 in size, found 4e.30"):
        held_as.encode(np.array([[3, 2, -1e30, -1e30]], np.float32))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("index", bad) for bad in ([0, 0], [2, 1], [1, 4], [3, 60_000])),
        *(("logits", bad) for bad in ([np.inf, 0], [0, np.nan])),
        *(("tail", bad) for bad in ([np.nan, 0], [0, -np.inf], [0, 2.0**41])),
    ],
)
def test_stored_rows_out_of_order_or_bounds_are_told(name: str, value: list[float]) -> None:
    held_as = Topk(2, ("4", "1"), 4)
    stored = held_as.encode(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
    assert held_as.finite(stored)
    stored[name][3] = value
    assert not held_as.finite(stored)


def test_another_temperature_is_refused() -> None:
    held_as = Topk(2, ("4", "0.5", "1"), 4)
    with pytest.raises(InvalidInput, match="rows of 2 classes say nothing .*: expected 4 or 0.5 or 1, found 2"):
        held_as.at(2.0)


def test_rows_are_comparable_where_two_classes_change_places() -> None:
    """The border of the kept logits is where another machine may keep another class of nearly the same logit."""
    held_as = Topk(2, ("4", "1"), 4)
    one_BC = np.array([[9, 5.0001, 5, -3]], np.float32)
    other_BC = one_BC[:, [0, 2, 1, 3]]
    rows = [held_as.comparable(held_as.condense(each)) for each in (one_BC, other_BC)]
    assert np.abs(rows[0] - rows[1]).max() < 1e-3
    changed = held_as.comparable(held_as.condense(one_BC[:, [1, 0, 2, 3]]))
    assert np.abs(rows[0] - changed).max() > 3
    heavier = held_as.comparable(held_as.condense(np.array([[9, 5.0001, 5, 4]], np.float32)))
    assert np.abs(rows[0] - heavier).max() > 0.05


def test_a_writer_takes_logits_or_condensed_rows(tmp_path: Path) -> None:
    small = SmallStore(encoding="topk", views=1, k=3)
    seal = small.write(tmp_path / "a.zarr")
    with GuideStoreWriter(tmp_path / "b.zarr", small.header, small.identity) as writer:
        for slot in writer.missing():
            rows = small.logits(slot.view)[slot.start : slot.stop]
            with pytest.raises(InvalidInput, match=r"logits of a chunk: expected float32 \(50, 8\), found .*\(50, 7\)"):
                writer.write(slot, rows, condensed=True)
            writer.write(slot, Topk(3, ("4", "1"), 7).condense(rows), condensed=True)
        assert writer.seal() == seal
    with GuideStore.open(tmp_path / "b.zarr") as store:
        assert store.header.version == 2 and store.shared == {} and store.header.row_bytes == 3 * 4 + 2 * 4
        kept = kept_of(small.logits(0)[3].tolist(), 3)
        assert store.gather([0], [3])[0, kept].tolist() == small.logits(0)[3, kept].tolist()
        assert set(store.test_stored) == {"index", "logits", "tail"} and len(store.test_stored["tail"]) == 11


def test_a_store_of_very_many_classes(tmp_path: Path) -> None:
    """From 65,537 on their numbers are int32, in both containers."""
    small = SmallStore(encoding="topk", classes=66_000, views=1, samples=3, tests=1, k=2)
    seal = small.write(tmp_path / "a.zarr")
    assert convert(tmp_path / "a.zarr", tmp_path / "a.h5", codec="gzip").seal == seal
    for path in (tmp_path / "a.zarr", tmp_path / "a.h5"):
        assert verify(path, full=True).exit_code == 0
        with GuideStore.open(path) as store:
            stored = store.gather_stored([0, 0, 0], [2, 0, 1])
            assert stored["index"].dtype == np.int32
            expected = [kept_of(small.logits(0)[sample].tolist(), 2) for sample in (2, 0, 1)]
            assert stored["index"].tolist() == expected
