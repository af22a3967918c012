"""Arguments in a transform's text: one form for each number, and what is none of their kind or out of range."""

from __future__ import annotations

from decimal import Decimal as Exact

import pytest
from hypothesis import given, strategies as st

from dgkd_cache.views.arguments import Choice, Decimal, Integer, probability


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1), st.integers(0, 3))
def test_a_decimal_has_one_form_whatever_zeros_it_is_written_with(whole: int, rest: int, zeros: int) -> None:
    text = f"{whole}.{rest:09}"
    form = Decimal("X", "a number", "0", "9").read(text)
    assert isinstance(form, str) and Exact(form) == Exact(text)
    assert not form.endswith(".") and not ("." in form and form.endswith("0"))
    padded = f"{'0' * zeros}{text}"
    if len(padded.partition(".")[0]) <= 9:
        assert Decimal("X", "a number", "0", "9").read(padded) == form


@pytest.mark.parametrize(
    "text", ["", ".5", "5.", "-1", "+1", "1e-3", "1,5", "٤", "nan", "0x1", "1.2.3", "1" * 10, "1 2"]
)
def test_what_is_no_decimal_is_not_read(text: str) -> None:
    assert Decimal("X", "a number", "0", "9").read(text) is None


def test_a_decimal_is_of_its_kind_in_its_one_form_only() -> None:
    one = Decimal("X", "a number", "0.5", "2")
    assert [one.has_kind(value) for value in ("0.5", "1", "0.50", "1.0", 1, 0.5, None, True)] == [True] * 2 + [
        False
    ] * 6
    assert [one.takes(value) for value in ("0.49999", "0.5", "2", "2.00001")] == [False, True, True, False]
    assert one.expected == "a number from 0.5 to 2"


def test_an_integer_is_no_truth_value_and_has_bounds() -> None:
    one = Integer("N", "a count", 1, 9, "pixels")
    assert [one.read(text) for text in ("7", "007", "1.0", "-1", "", "٤")] == [7, 7, None, None, None, None]
    assert [one.has_kind(value) for value in (3, True, "3", 3.0, None)] == [True] + [False] * 4
    assert [one.takes(value) for value in (0, 1, 9, 10)] == [False, True, True, False]
    assert one.expected == "a count from 1 to 9 pixels"
    assert Integer("N", "a count", 1, 9).expected == "a count from 1 to 9"


def test_a_choice_is_one_of_its_words() -> None:
    one = Choice("POLICY", "a policy", ("cifar10", "imagenet"))
    assert one.read("cifar10") == "cifar10" and one.takes("imagenet") and not one.takes("svhn")
    assert one.expected == "a policy out of cifar10, imagenet"


def test_a_probability_is_from_0_to_1() -> None:
    one = probability()
    assert (one.name, one.expected) == ("P", "a probability from 0 to 1")
    assert one.takes("1") and one.takes("0") and not one.takes("1.000000001")
