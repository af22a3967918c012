"""A value as TOML writes it, read back by Python's own reader of TOML."""

from __future__ import annotations

import tomllib

import pytest

from dgkd_cache.config.toml_text import toml_text


@pytest.mark.parametrize(
    "text",
    [
        *("true", "3", "-0.5", "1e-04", "1e+16", "inf", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"),
        *('"crop(1)"', '["crop(1)", "hflip"]', "[]", "[[1], [false]]", '"\\u007f\\u0000\\n\\"\\\\ é"'),
    ],
)
def test_a_value_is_read_back(text: str) -> None:
    value = tomllib.loads(f"value = {text}")["value"]
    again = tomllib.loads(f"value = {toml_text(value)}")["value"]
    assert (again, type(again)) == (value, type(value))


def test_a_tuple_is_a_list_and_what_toml_has_not_is_as_in_python() -> None:
    assert toml_text(("a", 0.5)) == '["a", 0.5]' and toml_text(None) == "None"
