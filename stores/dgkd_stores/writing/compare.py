"""Refuses a store that was made with another header or identity, and names the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue, canonical_json
from dgkd_stores.errors import Mismatch
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.sanitize import clean

__all__ = ["check_same_header", "check_same_identity", "differing_keys"]

_SHOWN = 5
_WEIGHTS = "guide.weights_digest"
_MEASURED = ("fidelity", "guide.accuracy")


def check_same_header(path: Path, *, stored: StoreHeader, given: StoreHeader) -> None:
    """Raises Mismatch, which names the keys that differ, with both values.

    Keys that were measured are named only if no other key differs. Weights of another model are named alone, and so is
    the identity of other logits, where a program gives them.
    """
    differing = differing_keys(stored.to_dict(), given.to_dict())
    of_settings = {key: values for key, values in differing.items() if not key.startswith(_MEASURED)}
    keys = of_settings or differing
    of_program = stored.guide.identity is not None and given.guide.identity is not None
    if _WEIGHTS in keys:
        raise Mismatch(
            f"{path} holds " + ("other logits" if of_program else "the logits of another model"),
            expected=_describe_guide(stored),
            found=_describe_guide(given),
            do=f"give {'those logits' if of_program else 'that model'}, choose another path, or remove {path} to begin "
            "again",
        )
    if keys:
        more = [f"{len(keys) - _SHOWN} more"] if len(keys) > _SHOWN else []
        names = list(keys)[:_SHOWN]
        other = f"was made with another {', '.join(names + more)}"
        if of_program and not of_settings:  # what is measured of logits differs, so they do
            other = "holds other logits, under the same identity"
        raise Mismatch(
            f"{path} {other}",
            expected=", ".join(f"{name} {keys[name][0]}" for name in names),
            found=", ".join(f"{name} {keys[name][1]}" for name in names),
            do=f"give what it was made with, choose another path, or remove {path} to begin again",
        )


def check_same_identity(path: Path, *, stored: Mapping[str, NDArray[Any]], given: Mapping[str, NDArray[Any]]) -> None:
    """Raises Mismatch, which names the first array that differs, and its first differing row."""
    for name, array in stored.items():
        if array.tobytes() == given[name].tobytes():
            continue
        rows = [np.ascontiguousarray(each).view(np.uint8).reshape(len(array), -1) for each in (array, given[name])]
        row = int(np.flatnonzero((rows[0] != rows[1]).any(axis=1))[0])
        raise Mismatch(
            f"{path} was made with another {name}",
            expected=f"row {row} to be {_row(array[row])}",
            found=_row(given[name][row]),
            do=f"give the same data, plan and weights, choose another path, or remove {path} to begin again",
        )


def differing_keys(stored: JsonValue, given: JsonValue) -> dict[str, tuple[str, str]]:
    """Returns dotted keys whose values differ, each with both values, sanitised."""
    return {key: (_show(first), _show(second)) for key, first, second in _differences("", stored, given)}


def _differences(key: str, stored: Any, given: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(stored, Mapping) and isinstance(given, Mapping):
        for name in sorted({*stored, *given}):
            inner = f"{key}.{name}" if key else name
            yield from _differences(inner, stored.get(name, ...), given.get(name, ...))
    elif stored is ... or given is ... or canonical_json(stored) != canonical_json(given):
        yield clean(key), stored, given


def _describe_guide(header: StoreHeader) -> str:
    guide = header.guide
    if (identity := guide.identity) is not None:
        return f"{clean(guide.name)} of the identity {clean(canonical_json(identity).decode())}"
    return f"{clean(guide.called)} with the weights {clean(guide.weights_digest)[:16]}"


def _show(value: Any) -> str:
    return "missing" if value is ... else clean(canonical_json(value).decode())


def _row(row: Any) -> str:
    if getattr(row, "dtype", None) == np.uint8:
        return bytes(row).hex()
    return np.array2string(row, threshold=8, max_line_width=10**4)
