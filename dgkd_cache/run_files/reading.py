"""Reads the files of a run's folder, each with its size limit. Loads no torch.

Links are not followed, only regular files are read, and JSON is bounded. A link, a pipe, a device or a folder raises
UnsafeStore (exit 15); a file that is too large or not valid JSON raises Damaged (exit 12).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Damaged
from dgkd_cache.paths import CARD_FILE, DUMP_SECONDS_FILE, INPUTS_FILE, METRICS_FILE
from dgkd_stores import deeper_than, parse_strictly
from dgkd_stores.disk import plain_file

__all__ = ["LIMITS", "START_OVER", "damaged_file", "json_digest", "parse_object", "read_file"]

LIMITS = {
    CARD_FILE: 16 * 2**20,  # a card of 100,000 long class names stays below
    INPUTS_FILE: 2**20,  # some dozens of settings, and one seal for each guide
    METRICS_FILE: 64 * 2**20,  # 200,000 epochs
    DUMP_SECONDS_FILE: 64,
}
"""Maximum bytes of the files that are read as a whole. Tensor files are limited by their header: see `tensor_file`."""

MAX_JSON_DEPTH = 32

MAX_JSON_PARTS = 2**20
"""Maximum number of brackets, braces and commas, inside text or not: each may cost 100 bytes of memory."""

START_OVER = (
    "start over with --fresh after the command that trains it, as in `dgkd-cache train --model NAME --fresh` "
    "(what is there is set aside), or restore the file from a copy"
)


def read_file(path: Path, *, limit: int | None = None) -> bytes:
    """Returns the bytes of a file, at most `LIMITS` for its name. Raises FileNotFoundError if there is none."""
    limit = LIMITS[path.name] if limit is None else limit
    with plain_file(path) as (handle, size):
        if size > limit:
            raise damaged_file(path, f"at most {limit} bytes", f"{size} bytes")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(size)


def parse_object(data: bytes, path: Path) -> dict[str, Any]:
    """Returns a JSON object of bounded depth and size; refuses NaN, infinity, lone surrogates, repeated keys."""
    if (parts := sum(map(data.count, (b"[", b"{", b",")))) > MAX_JSON_PARTS:
        raise damaged_file(path, f"JSON of at most {MAX_JSON_PARTS} parts", f"{parts}")
    try:
        value = parse_strictly(data)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise damaged_file(path, "JSON as RFC 8259 has it", str(error) or type(error).__name__) from error
    if deeper_than(MAX_JSON_DEPTH, value):
        raise damaged_file(path, f"JSON of at most {MAX_JSON_DEPTH} levels", "more")
    if not isinstance(value, dict):
        raise damaged_file(path, "a JSON object", type(value).__name__)
    return value


def json_digest(value: Mapping[str, Any]) -> str:
    """Returns the SHA-256 (hex) of an object as JSON with sorted keys and no white space, in ASCII."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def damaged_file(path: Path, expected: str, found: str, *, do: str = START_OVER) -> Damaged:
    """Returns the error for a file whose content this program did not write."""
    return Damaged(f"{path} cannot be read", expected=expected, found=found[:200], do=do)
