"""factored against exact fractions and numpy's QR decomposition, and its error on rows of published sizes."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore, GuideStoreWriter, InvalidInput
from dgkd_stores.coding.encodings import Factored

Array = np.ndarray[Any, Any]


def layer(classes: int, width: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """Weights (C, D) and bias of a linear layer in float64, and an orthonormal basis of the weights in float32."""
    rng = np.random.default_rng(seed)
    weights_CD = rng.normal(size=(classes, width)) / math.sqrt(width)
    return weights_CD, rng.normal(size=classes) / 10, np.linalg.qr(weights_CD)[0].astype(np.float32)


def encoding(classes: int, width: int, seed: int = 0) -> tuple[Factored, Array, Array]:
    weights_CD, bias_C, basis_CD = layer(classes, width, seed)
    shared = {"basis": basis_CD, "bias": bias_C.astype(np.float32)}
    return Factored(width).bound(shared), weights_CD, bias_C


def log_softmax(rows: Array) -> Array:
    shifted = rows - rows.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def mean_kl(exact_BC: Array, stored_BC: Array) -> float:
    exact, stored = log_softmax(exact_BC.astype(np.float64)), log_softmax(stored_BC.astype(np.float64))
    return float((np.exp(exact) * (exact - stored)).sum(axis=1).mean())


@settings(max_examples=60, deadline=None)
@given(
    q=st.lists(st.floats(-6e4, 6e4, width=16), min_size=3, max_size=3),
    basis=st.lists(st.floats(-1, 1, width=32), min_size=12, max_size=12),
    bias=st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4),
)
def test_decoding_is_within_the_rounding_of_exact_fractions(
    q: list[float], basis: list[float], bias: list[float]
) -> None:
    basis_CD, bias_C = np.array(basis, np.float32).reshape(4, 3), np.array(bias, np.float32)
    stored = {"logits": np.array([q], np.float16)}
    found_C = Factored(3).bound({"basis": basis_CD, "bias": bias_C}).decode(stored)[0]
    for row, found in enumerate(found_C.tolist()):
        terms = [Fraction(bias[row]), *(Fraction(q[i]) * Fraction(float(basis_CD[row, i])) for i in range(3))]
        allowed = Fraction(5, 2**23) * sum(map(abs, terms)) + Fraction(1, 2**140)
        assert abs(Fraction(found) - sum(terms)) <= allowed


def test_a_row_is_its_coefficients_rounded_to_half_precision() -> None:
    held_as, weights_CD, bias_C = encoding(50, 8)
    features_BD = np.random.default_rng(1).normal(size=(20, 8))
    exact_BC = features_BD @ weights_CD.T + bias_C
    stored = held_as.encode(exact_BC.astype(np.float32))
    assert stored["logits"].dtype == np.float16 and stored["logits"].shape == (20, 8)
    # The same coefficients by another way: R of the QR decomposition times the features.
    coefficients = features_BD @ np.linalg.qr(weights_CD)[1].T
    assert (np.abs(stored["logits"] - coefficients) <= 2**-11 * np.abs(coefficients) + 1e-6).all()
    lost_B = 2**-11 * np.linalg.norm(coefficients, axis=1)
    assert (np.linalg.norm(held_as.decode(stored) - exact_BC, axis=1) <= lost_B + 1e-5).all()
    assert held_as.row_bytes(50) == 16


def test_condensed_rows_are_encoded_as_their_logits_are() -> None:
    held_as, weights_CD, bias_C = encoding(50, 8)
    logits_BC = (np.random.default_rng(1).normal(size=(20, 8)) @ weights_CD.T + bias_C).astype(np.float32)
    rows_BF = held_as.condense(logits_BC)
    assert rows_BF.shape == (20, held_as.columns(50)) == (20, 8) and rows_BF.dtype == np.float32
    assert np.abs(held_as.expand(rows_BF) - logits_BC).max() < 1e-5
    stored = held_as.encode(logits_BC)
    assert stored["logits"].tobytes() == held_as.encode_condensed(rows_BF)["logits"].tobytes()
    assert held_as.encode_condensed(held_as.condensed(stored))["logits"].tobytes() == stored["logits"].tobytes()


def test_rows_of_no_linear_layer_are_refused() -> None:
    held_as, weights_CD, bias_C = encoding(50, 8)
    logits_BC = (np.random.default_rng(1).normal(size=(20, 8)) @ weights_CD.T + bias_C).astype(np.float32)
    logits_BC[7] = np.tanh(logits_BC[7])
    with pytest.raises(InvalidInput, match="rows that the encoding factored cannot hold: .*use the encoding float16"):
        held_as.encode(logits_BC)
    # As far off as the logits of a model in bf16 are, which has eight bits.
    logits_BC[7] = logits_BC[6] * (1 + np.random.default_rng(2).uniform(-(2**-9), 2**-9, 50))
    held_as.encode(logits_BC)


def test_what_half_precision_cannot_hold_is_refused(tmp_path: Path) -> None:
    held_as, _, bias_C = encoding(50, 8)
    with pytest.raises(InvalidInput, match="too large for factored: expected at most 65504"):
        held_as.encode_condensed(np.full((1, 8), 1e5, np.float32))
    with pytest.raises(InvalidInput, match="expected finite logits, found NaN or infinity"):
        held_as.encode((bias_C[None] * np.nan).astype(np.float32))


def test_a_writer_takes_logits_or_condensed_rows(tmp_path: Path) -> None:
    small = SmallStore(encoding="factored", views=1)
    seal = small.write(tmp_path / "a.zarr")
    with GuideStoreWriter(tmp_path / "b.zarr", small.header, small.identity) as writer:
        for slot in writer.missing():
            rows = small.logits(slot.view)[slot.start : slot.stop]
            with pytest.raises(InvalidInput, match=r"logits of a chunk: expected float32 \(50, 6\), found .*\(50, 7\)"):
                writer.write(slot, rows, condensed=True)
            writer.write(slot, (rows - small.shared["bias"]) @ small.shared["basis"], condensed=True)
        assert writer.seal() == seal
    with GuideStore.open(tmp_path / "b.zarr") as store:
        assert store.header.version == 2 and set(store.shared) == {"basis", "bias"}
        assert (store.gather([0], [3]) == small.logits(0)[3]).all()


@pytest.mark.parametrize(
    ("classes", "width", "rows"),
    [(1000, 512, 64), pytest.param(21_841, 768, 256, marks=pytest.mark.slow)],
)
def test_the_error_of_rows_of_published_sizes(classes: int, width: int, rows: int) -> None:
    """Logits of a deviation of 2: KL of about 5e-9 at temperature 4, and small at any other."""
    held_as, weights_CD, bias_C = encoding(classes, width)
    features_BD = 2 * np.random.default_rng(1).normal(size=(rows, width))
    softened_BC = (features_BD @ weights_CD.T + bias_C) / 4
    shared = {"basis": np.linalg.qr(weights_CD)[0].astype(np.float32), "bias": (bias_C / 4).astype(np.float32)}
    held_as = Factored(width).bound(shared)
    stored_BC = held_as.decode(held_as.encode(softened_BC.astype(np.float32)))
    assert 2e-9 < mean_kl(softened_BC, stored_BC) < 1e-8
    assert mean_kl(4 * softened_BC, 4 * stored_BC) < 2e-7
    assert (stored_BC.argmax(axis=1) == softened_BC.argmax(axis=1)).mean() > 0.98
    assert held_as.row_bytes(classes) == 2 * width
