"""The identity arrays of a store: stored in the layout's types, and every array, shape, dtype and label held to it."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from dgkd_stores import IdentityArrays, InvalidInput
from dgkd_stores.format.identity import labels_within
from dgkd_stores.format.layout import StoreLayout


@pytest.mark.parametrize("probe", ["sha256", "projection"])
def test_arrays_are_stored_under_the_names_and_in_the_types_of_the_layout(recipe: Any, probe: str) -> None:
    small = recipe(probe=probe)
    layout = StoreLayout(small.header, chunk_rows=50)
    given, stored = small.identity, small.identity.encoded(small.header, layout)
    assert set(stored) == set(layout.identity)
    assert {name: (array.dtype, array.shape) for name, array in stored.items()} == {
        name: (array.numpy_dtype, array.shape) for name, array in layout.identity.items()
    }
    for name in ("label", "sample_digest", "view_digest", "probe", "test_label", "test_sample_digest"):
        (field,) = [field for field in vars(given) if re.fullmatch(rf"{name}(_[VMN]\d*)?", field)]
        assert np.array_equal(stored[name], getattr(given, field))
    assert np.array_equal(stored["test_logits"], given.test_logits_MC)


@pytest.mark.parametrize("field", [field.name for field in fields(IdentityArrays)][:7])
def test_an_array_that_is_none_is_named(recipe: Any, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"IdentityArrays: .* '{field}' .*: expected a numpy array, found .*list"):
        replace(recipe().identity, **{field: []})


@pytest.mark.parametrize(
    ("field", "name", "change", "message"),
    [
        ("label_N", "label", lambda array: array[1:], r"expected int64 \(50,\), found int64 \(49,\)"),
        ("label_N", "label", lambda array: array.astype("i4"), r"expected int64 \(50,\), found int32 \(50,\)"),
        (
            "view_digest_V32",
            "view_digest",
            lambda array: array[:, :16],
            r"expected uint8 \(3, 32\), found uint8 \(3, 16\)",
        ),
        ("probe", "probe", lambda array: array.astype("i4"), r"expected uint8 \(64, 32\), found int32 \(64, 32\)"),
        (
            "test_logits_MC",
            "test_logits",
            lambda array: array[:, 1:],
            r"expected float32 \(11, 7\), found .* \(11, 6\)",
        ),
        ("label_N", "label", lambda array: array * 0 + 7, "expected labels from 0 to 6, found 7 to 7"),
        ("test_label_M", "test_label", lambda array: array * 0 - 1, "expected labels from 0 to 6, found -1 to -1"),
    ],
)
def test_an_array_against_the_header_is_named(recipe: Any, field: str, name: str, change: Any, message: str) -> None:
    small = recipe()
    wrong = replace(small.identity, **{field: change(getattr(small.identity, field))})
    with pytest.raises(InvalidInput, match=f"^identity array {name}: {message}"):
        wrong.encoded(small.header, StoreLayout(small.header, chunk_rows=50))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "rows of factored share: expected basis, bias, found none"),
        ({"basis": lambda one: one[1:]}, r"basis: expected float32 \(7, 6\), found float32 \(6, 6\)"),
        ({"bias": lambda one: one.astype("f8")}, r"bias: expected float32 \(7,\), found float64 \(7,\)"),
        ({"basis": lambda one: one * 0.75}, "basis: expected orthonormal columns, within .* off by 0.4375; take Q"),
        ({"basis": lambda one: one * 8}, "basis: expected numbers of at most 2 in size, found 8"),
        ({"bias": lambda one: one * np.float32(np.nan)}, "bias: expected numbers of at most .* found nan"),
    ],
)
def test_what_rows_share_is_held_to_its_encoding(recipe: Any, change: Any, message: str) -> None:
    small = recipe(encoding="factored")
    shared = {name: change.get(name, lambda one: one)(array) for name, array in small.shared.items() if change}
    with pytest.raises(InvalidInput, match=message):
        replace(small.identity, shared=shared).encoded(small.header, StoreLayout(small.header, chunk_rows=50))
    with pytest.raises(InvalidInput, match="rows of float32 share: expected none, found basis, bias"):
        other = recipe()
        replace(other.identity, shared=small.shared).encoded(other.header, StoreLayout(other.header, chunk_rows=50))


def test_test_rows_are_taken_condensed(recipe: Any) -> None:
    small = recipe(encoding="factored")
    layout, stored = StoreLayout(small.header, chunk_rows=50), small.identity
    rows_MF = (stored.test_logits_MC - small.shared["bias"]) @ small.shared["basis"]
    condensed = replace(stored, test_logits_MC=rows_MF, condensed=True)
    assert (
        condensed.encoded(small.header, layout)["test_logits"] == stored.encoded(small.header, layout)["test_logits"]
    ).all()
    with pytest.raises(InvalidInput, match=r"test_logits: expected float32 \(11, 6\), found float32 \(11, 7\)"):
        replace(stored, condensed=True).encoded(small.header, layout)


def test_test_logits_of_another_type_are_named(recipe: Any) -> None:
    small = recipe()
    wrong = replace(small.identity, test_logits_MC=small.identity.test_logits_MC.astype(np.float64))
    with pytest.raises(InvalidInput, match="^test_logits: expected float32, found float64"):
        wrong.encoded(small.header, StoreLayout(small.header, chunk_rows=50))


@pytest.mark.parametrize(
    ("labels", "within"), [([0, 6], True), ([], True), ([0, 7], False), ([-1, 3], False), ([2**63 - 1], False)]
)
def test_labels_within(labels: list[int], within: bool) -> None:
    assert labels_within(np.array(labels, dtype=np.int64), 7) is within
