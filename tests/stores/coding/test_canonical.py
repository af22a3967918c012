"""Canonical JSON against published bytes and digests, decimals against exact arithmetic."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from dgkd_stores import InvalidInput, canonical_json, decimal
from dgkd_stores.coding.canonical import sha256_hex


def test_bytes() -> None:
    value = {"b": [1, True, None, "é\n"], "a": {"z": -5, "ä": ""}, "": ()}
    assert canonical_json(value) == '{"":[],"a":{"z":-5,"ä":""},"b":[1,true,null,"é\\n"]}'.encode()


def test_sha256_of_the_nist_vector() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("value", [0.5, {"a": [1.0]}, {1: "a"}, b"x", {"a": object()}, "\ud800", {"\udfff": 1}])
def test_what_it_cannot_hold(value: object) -> None:
    with pytest.raises(InvalidInput, match="canonical JSON cannot hold: expected .*, found") as caught:
        canonical_json(value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (4.0, "4"),
        (0.75, "0.75"),
        (1e-8, "0.00000001"),
        (1e22, "1" + "0" * 22),
        (-0.0, "0"),
        (100, "100"),
        (0.1, "0.1"),
    ],
)
def test_decimals(number: float, text: str) -> None:
    assert decimal(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_reads_back_as_the_same_number(number: float) -> None:
    text = decimal(number)
    assert float(text) == number
    assert not set(text) & set("eE+")
    assert len(text.strip("-").replace(".", "").strip("0")) <= 17
    assert Decimal(text) == Decimal(repr(number))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_decimal_for_what_is_not_finite(number: float) -> None:
    with pytest.raises(InvalidInput, match="expected a finite number, found (nan|inf)"):
        decimal(number)
