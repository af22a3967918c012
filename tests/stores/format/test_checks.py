"""Checks of single header fields: what each takes, and a refusal that names the field and shows what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from dgkd_stores import InvalidInput
from dgkd_stores.format import checks


@dataclass
class Pair:
    first: int
    second: int


Check = Callable[[str, Any], Any]
BOUNDED = partial(checks.integer, least=1, most=9)
WORD = partial(checks.one_of, known=("sampled", "enumerated"))
FIELDS = partial(checks.exact_keys, cls=Pair)

TAKEN: list[tuple[Check, Any]] = [
    (checks.text, ""),
    (checks.hex64, "0123456789abcdef" * 4),
    *(
        (checks.decimal_text, value)
        for value in ("0", "-1", "10", "0.5", "-0.001", "1" + "0" * 30, "0." + "0" * 399 + "1")
    ),
    *((BOUNDED, value) for value in (1, 9)),
    (WORD, "sampled"),
]

REFUSED: list[tuple[Check, Any, str]] = [
    *((checks.text, value, "text") for value in (None, 1, b"x", ["x"])),
    *(
        (checks.hex64, value, "64 lower-case hexadecimal digits")
        for value in ("0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n", 10**63, None)
    ),
    *(
        (checks.decimal_text, value, "a decimal string without an exponent")
        for value in ("", "-", "+1", "01", ".5", "5.", "1e3", "1E3", "nan", "inf", " 1", "1\n", "٤", "1" * 32, 1, 1.0)
    ),
    *((BOUNDED, value, "an integer from 1 to 9") for value in (0, 10, True, 1.0, "1", None)),
    *((WORD, value, "sampled or enumerated") for value in ("Sampled", "", None, ["sampled"], 1)),
    *((checks.mapping, value, "a mapping") for value in ([], "ab", None, 1)),
    *((FIELDS, value, "a mapping") for value in ([], "ab", None)),
    *(
        (FIELDS, value, "exactly first, second")
        for value in ({}, {"first": 1}, {"first": 1, "second": 2, "third": 3}, {"first": 1, "Second": 2})
    ),
]


@pytest.mark.parametrize(("check", "value"), TAKEN)
def test_what_a_field_may_hold(check: Check, value: Any) -> None:
    check("a.b", value)


@pytest.mark.parametrize(("check", "value", "expected"), REFUSED)
def test_what_a_field_may_not_hold(check: Check, value: Any, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check("a.b", value)
    assert (caught.value.problem, caught.value.expected) == ("store header, a.b", expected)


def test_a_mapping_is_a_copy() -> None:
    given = {"a": {"b": [1]}}
    taken = checks.mapping("a", given)
    assert taken == given
    given["a"]["b"].append(2)
    assert taken == {"a": {"b": [1]}}


def test_unknown_keys_are_named_and_no_more_than_five() -> None:
    with pytest.raises(InvalidInput) as caught:
        checks.exact_keys("x", {"first": 1, **dict.fromkeys("abcdefg", 0)}, Pair)
    assert caught.value.found == "missing or unknown: a, b, c, d, e"


def test_what_is_shown_acts_on_nothing() -> None:
    error = checks.bad_field("\x1b[2J", "x", "a\n\u202eb")
    assert str(error).isprintable()
