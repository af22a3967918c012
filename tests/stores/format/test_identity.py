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


@pytest.mark.parametrize("field", [field.name for field in fields(IdentityArrays)])
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
