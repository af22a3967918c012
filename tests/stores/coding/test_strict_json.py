"""JSON as RFC 8259 has it: what Python's parser takes besides is refused, and depth is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dgkd_stores.coding.strict_json import deeper_than, parse_strictly


@pytest.mark.parametrize(
    "text", ['{"a": [1, -2.5e3, true, null, "\\u00e9"]}', "[]", '"x"', " 7 ", '{"": {"": []}}', '{"a": 1, "A": 1}']
)
def test_what_is_json_is_read_as_it_is(text: str) -> None:
    assert parse_strictly(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"a": 1, "a": 1}', "a key given twice"),
        (b'[{"b": {"a": 1, "a": 2}}]', "a key given twice"),
        (b'{"a": 1, "\\u0061": 2}', "a key given twice"),
        (b"NaN", "the number NaN"),
        (b'{"a": [Infinity]}', "the number Infinity"),
        (b"-Infinity", "the number -Infinity"),
        (b"", "Expecting value"),
        (b"{} {}", "Extra data"),
        (b"{'a': 1}", "double quotes"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        ('{"a": 1}'.encode("utf-16"), "utf-8"),
        (b'"\xff"', "utf-8"),
        (b"9" * 5000, "digits"),
    ],
)
def test_what_is_no_json_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_strictly(data)


def test_nesting_beyond_the_stack_is_refused() -> None:
    with pytest.raises((RecursionError, ValueError)):
        parse_strictly(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize(
    ("value", "levels"),
    [(1, 1), ([], 1), ({}, 1), ([1], 2), ({"a": 1}, 2), ([[], {"a": [0]}], 4), ({"a": {"b": {}}}, 3)],
)
def test_levels_of_a_value(value: Any, levels: int) -> None:
    assert [deeper_than(most, value) for most in range(levels - 1, levels + 2)] == [True, False, False]
