"""Tells if a file of a run still says what it did, told by parsers that are not those under test."""

from __future__ import annotations

import json
from typing import Any, Literal

__all__ = ["Difference", "compared"]

Difference = Literal["same", "changed", "unverified"]
"""Kinds of a changed file: the same but for white space and order, another, or one without digests, as old ones are."""


def compared(file: str, before: bytes, after: bytes, *, begun: bool) -> Difference:
    """The kind of a changed file; `begun` tells that the run is not finished: what follows its metrics is dropped."""
    if begun and file.endswith("/metrics.jsonl"):
        after = b"\n".join(after.split(b"\n")[: before.count(b"\n")]) + b"\n"
    if meaning(file, before) == meaning(file, after):
        return "same"
    try:
        if file.endswith("/card.json") and not {"digest", "files"} & set(json.loads(after)):
            return "unverified"
        if file.endswith("/checkpoint.safetensors"):
            header = json.loads(after[8 : 8 + int.from_bytes(after[:8], "little")])
            return "changed" if "digest" in header["__metadata__"] else "unverified"
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    return "changed"


def meaning(file: str, data: bytes) -> Any:
    """A file's meaning, for comparison: white space and the order of keys do not count."""
    try:
        if file.endswith(".json"):
            return _json(data)
        if file.endswith(".jsonl"):
            return [_json(line) for line in data.splitlines() if line.strip()]
        if file.endswith(".safetensors"):
            length = int.from_bytes(data[:8], "little")
            header = json.loads(_json(data[8 : 8 + length]))
            if file.endswith("/weights.safetensors"):
                header.pop("__metadata__", None)  # which weights have none of
            return header, data[8 + length :]
    except (ValueError, RecursionError, AttributeError):
        return data
    return data


def _json(data: bytes) -> str:
    value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    return json.dumps(value, sort_keys=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _refuse(name: str) -> None:
    raise ValueError(name)
