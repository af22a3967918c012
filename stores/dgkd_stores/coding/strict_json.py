"""Parses untrusted JSON strictly by RFC 8259, without the extensions of Python's parser."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dgkd_stores.coding.canonical import JsonValue

__all__ = ["deeper_than", "parse_strictly"]


def parse_strictly(data: bytes) -> JsonValue:
    """Returns the value of JSON in UTF-8. Raises RecursionError or ValueError, also for NaN and repeated keys."""
    value: JsonValue = json.loads(data.decode(), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    return value


def deeper_than(levels: int, value: object) -> bool:
    """Returns True if nested mappings and lists have more than so many levels, including that of plain values."""
    level = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key given twice")
    return value


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"the number {name}")
