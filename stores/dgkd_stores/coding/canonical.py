"""Canonical JSON, the byte form for digests, and numbers as exact decimal strings.

Sorted keys, no white space, UTF-8 with non-ASCII kept, integers only: the same value gives the same bytes in
any language.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Real

from dgkd_stores.arguments import require_kind
from dgkd_stores.errors import InvalidInput

__all__ = ["JsonValue", "canonical_json", "decimal", "plain_json", "sha256_hex"]

_PROBLEM = "a value that canonical JSON cannot hold"

JsonValue = None | bool | int | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
"""The values of a header and of canonical JSON: no floats; a number that is no integer is a decimal string."""


def canonical_json(value: JsonValue) -> bytes:
    """Returns the canonical bytes of `value`; raises InvalidInput for floats, keys not of text, lone surrogates."""
    text = json.dumps(plain_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(_PROBLEM, expected="text that UTF-8 can hold", found="a lone surrogate") from error


def plain_json(value: object) -> JsonValue:
    """Returns a copy of `value` in dict, list, str, int, bool and None only; raises InvalidInput for others."""
    try:
        return _plain(value)
    except RecursionError as error:
        expected, found = "a few lists and mappings within one another", "a value within itself, or hundreds of them"
        raise InvalidInput(_PROBLEM, expected=expected, found=found) from error


def _plain(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InvalidInput(_PROBLEM, expected="text as a key", found=repr(key))
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise InvalidInput(
        _PROBLEM,
        expected="text, integers, booleans, lists and mappings",
        found=f"{type(value).__name__} {value!r}"[:80],
        do="write a number that is no integer as a decimal string (`decimal(x)`)",
    )


def sha256_hex(data: bytes) -> str:
    """Returns SHA-256 as 64 lower-case hexadecimal digits."""
    require_kind("sha256_hex", "data", data, (bytes, bytearray, memoryview), expected="bytes")
    return hashlib.sha256(data).hexdigest()


def decimal(x: float) -> str:
    """Returns the shortest decimal without an exponent that reads back as the same double: 1e-8 is "0.00000001".

    Raises InvalidInput for NaN, infinity and what is no number.
    """
    require_kind("decimal", "x", x, Real, expected="a number")
    if not math.isfinite(x):
        raise InvalidInput("a number that no decimal string can hold", expected="a finite number", found=repr(x))
    text = format(Decimal(repr(float(x))), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
