"""Checks single header fields; InvalidInput names the field, its allowed and its found value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dgkd_stores.coding.canonical import JsonValue, plain_json
from dgkd_stores.errors import InvalidInput
from dgkd_stores.sanitize import clean

__all__ = ["HEX64", "bad_field", "decimal_text", "exact_keys", "hex64", "integer", "mapping", "one_of", "text"]

HEX64 = re.compile(r"[0-9a-f]{64}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,400})?")


def bad_field(key: str, expected: str, found: object) -> InvalidInput:
    """Returns the error for one field."""
    shown = clean(found if isinstance(found, str) else repr(found))
    return InvalidInput(f"store header, {clean(key)}", expected=expected, found=shown)


def exact_keys(where: str, value: JsonValue, cls: Any) -> dict[str, Any]:
    """Returns a mapping that has exactly the fields of a dataclass."""
    names = {field.name for field in fields(cls)}
    if not isinstance(value, Mapping):
        raise bad_field(where, "a mapping", value)
    if odd := sorted(set(value) ^ names):
        expected = f"exactly {', '.join(sorted(names))}"
        raise bad_field(where, expected, f"missing or unknown: {', '.join(odd[:5])}")
    return dict(value)


def mapping(key: str, value: object) -> dict[str, JsonValue]:
    """Returns a copy of a mapping, as plain JSON."""
    plain = plain_json(value)
    if not isinstance(plain, dict):
        raise bad_field(key, "a mapping", value)
    return plain


def text(key: str, value: object) -> None:
    """Requires text."""
    if not isinstance(value, str):
        raise bad_field(key, "text", value)


def hex64(key: str, value: object) -> None:
    """Requires a SHA-256 in hexadecimal."""
    if not isinstance(value, str) or not HEX64.fullmatch(value):
        raise bad_field(key, "64 lower-case hexadecimal digits", value)


def decimal_text(key: str, value: object) -> None:
    """Requires a number as text."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise bad_field(key, "a decimal string without an exponent", value)


def one_of(key: str, value: object, known: tuple[str, ...]) -> None:
    """Requires one of the `known` words."""
    if not isinstance(value, str) or value not in known:
        raise bad_field(key, " or ".join(known), value)


def integer(key: str, value: object, least: int, most: int) -> None:
    """Requires an integer within bounds; a boolean is refused."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise bad_field(key, f"an integer from {least} to {most}", value)
