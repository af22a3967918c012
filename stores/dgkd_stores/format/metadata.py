"""Reads raw zarr.json files of unknown origin with limits on size and depth, before any library gets them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from dgkd_stores.coding.canonical import JsonValue, canonical_json
from dgkd_stores.coding.digests import Seal
from dgkd_stores.coding.strict_json import deeper_than, parse_strictly
from dgkd_stores.disk.files import read_small
from dgkd_stores.errors import InvalidInput, UnsafeStore
from dgkd_stores.format.checks import HEX64
from dgkd_stores.format.limits import MAX_JSON_COMMAS, MAX_JSON_CONTAINERS, MAX_JSON_DEPTH, MAX_METADATA_BYTES
from dgkd_stores.sanitize import clean

__all__ = ["parse_json", "read_metadata", "read_seal", "same_json", "unsafe"]


def read_metadata(path: Path, *, limit: int = MAX_METADATA_BYTES) -> Mapping[str, JsonValue]:
    """Returns the object in a zarr.json of Zarr format 3; raises UnsafeStore for anything else."""
    value = parse_json(read_small(path, limit=limit), path)
    if not isinstance(value, Mapping):
        raise unsafe(path, "no metadata", "a JSON object", type(value).__name__)
    if not same_json(value.get("zarr_format"), 3):
        raise unsafe(path, "another Zarr format", "zarr_format 3", repr(value.get("zarr_format")))
    return value


def parse_json(data: bytes, path: Path) -> JsonValue:
    """Parses JSON of bounded depth and size without NaN, infinity or repeated keys; raises UnsafeStore for others."""
    for most, marks in ((MAX_JSON_CONTAINERS, b"[{"), (MAX_JSON_COMMAS, b",")):
        if (found := sum(map(data.count, marks))) > most:
            raise unsafe(path, "JSON of too many parts", f"at most {most} of {marks.decode()!r}", f"{found}")
    try:
        value = parse_strictly(data)
    except (ValueError, RecursionError) as error:
        raise unsafe(path, "no proper JSON", "JSON as RFC 8259 has it", str(error)) from error
    if deeper_than(MAX_JSON_DEPTH, value):
        raise unsafe(path, "JSON nested too deep", f"at most {MAX_JSON_DEPTH} levels", "more")
    return value


def read_seal(path: Path, seal: JsonValue, digests: JsonValue, *, arrays: Collection[str]) -> Seal:
    """Returns the stored seal of a store, with its digests.

    Raises UnsafeStore if these are not SHA-256 in hex, or not those of `arrays`.
    """
    if not isinstance(digests, Mapping):
        raise unsafe(path, "no digests under the seal", "a mapping", repr(digests))
    for value in (seal, *digests.values()):
        if not isinstance(value, str) or not HEX64.fullmatch(value):
            raise unsafe(path, "no seal", "64 lower-case hexadecimal digits", repr(value))
    if set(digests) != set(arrays):
        raise unsafe(path, "other arrays under the seal", ", ".join(arrays), ", ".join(digests))
    return Seal(digest=str(seal), arrays={name: str(value) for name, value in digests.items()})


def same_json(found: JsonValue, wanted: JsonValue) -> bool:
    """Returns True if two values are equal as JSON, where 1, True and 1.0 differ, unlike in Python."""
    try:
        return canonical_json(found) == canonical_json(wanted)
    except InvalidInput:
        return False


def unsafe(path: Path, problem: str, expected: str, found: str) -> UnsafeStore:
    """Returns the error for an unsafe store, with text from it sanitised."""
    return UnsafeStore(
        f"{clean(str(path))}: {problem}",
        expected=expected,
        found=clean(found),
        do="do not use this store; if you changed it yourself, undo that",
    )
