"""Mutations of JSON that know its structure: one place of it becomes something that somebody once got wrong."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

__all__ = ["VALUES", "as_json", "mutate", "mutate_text", "places", "value_of"]

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 2**31, 2**32, 2**53, 2**63, 2**64, -(2**63), 10**300),
    *(0.0, 1.0, 3.0, -0.0, 0.5, 1e308, 5e-324),
    *(
        "",
        "0",
        "1",
        "-1",
        "1e3",
        "nan",
        "float16",
        "uint8",
        "sha256",
        "..",
        "a/b",
        "\x00",
        "\ud800",
        "\u202e",
        "é",
        "e\u0301",
    ),
    *("0" * 64, "A" * 64, "zstd", "blosc", "bytes", "NaN", "x" * 300),
    *([], [[]], [0], [None], ["a"], {}, {"a": 1}, {"": ""}, {"name": "bytes"}),
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value with each of its keys."""
    found = []
    level = [value] if isinstance(value, dict | list) else []
    while level:
        container = level.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                level.append(container[key])
    return found


def mutate(value: Any, chance: random.Random) -> Any:
    """A copy with one to three places changed."""
    changed = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        known = places(changed)
        if not known:
            return value_of(chance)
        container, key = chance.choice(known)
        match chance.randrange(6):
            case 0 | 1:
                container[key] = value_of(chance)
            case 2:
                del container[key]
            case 3:
                # What stands elsewhere in the same metadata.
                other, its = chance.choice(known)
                container[key] = copy.deepcopy(other[its]) if its in _keys(other) else None
            case 4:
                if isinstance(container, dict):
                    container[chance.choice(["x", "", "dgkd_seal", "must_understand", "\x1b"])] = value_of(chance)
                else:
                    container.insert(key, copy.deepcopy(container[key]))
            case 5:
                container[key] = _near(container[key], chance)
    return changed


def value_of(chance: random.Random) -> Any:
    """One of `VALUES`, for the caller to change: the next round may put a container into itself."""
    return copy.deepcopy(chance.choice(VALUES))


def mutate_text(text: bytes, chance: random.Random) -> bytes:
    """Bytes with a piece cut, doubled, or replaced."""
    start = chance.randrange(len(text) + 1)
    stop = min(len(text), start + chance.choice([0, 1, 2, 8, 64]))
    pieces = [
        b"",
        text[start:stop] * 2,
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"[" * 40,
        b'"',
        b"NaN",
        b"1e999",
        b"\\ud800",
    ]
    return text[:start] + chance.choice(pieces) + text[stop:]


def as_json(value: Any) -> bytes:
    """JSON with lone surrogates escaped."""
    return json.dumps(value).encode()


def _keys(container: Any) -> Any:
    return container if isinstance(container, dict) else range(len(container))


def _near(value: Any, chance: random.Random) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + chance.choice([-1, 1, 2**31, -value, value])
        case str():
            at = chance.randrange(len(value) + 1)
            return value[:at] + chance.choice(["", "\n", " ", "0", "é", "\x1b"]) + value[at + 1 :]
        case list():
            return value * 2 if len(value) < 1000 else value[:1]
        case _:
            return str(value)
