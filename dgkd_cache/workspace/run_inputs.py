"""The inputs of a run as one flat record; a run is valid if its record equals the current one.

The record is written before the first step, so that changed settings are reported key by key. Checkpoint and card hold
its digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Damaged
from dgkd_cache.paths import INPUTS_FILE
from dgkd_cache.run_files.reading import START_OVER, damaged_file, parse_object, read_file
from dgkd_stores.disk import Partial, full_disk, partial_of, write_durably

__all__ = [
    "IMPLIED",
    "Change",
    "changes",
    "describe_changes",
    "digest",
    "flatten",
    "read_inputs",
    "recorded_value",
    "require_inputs",
    "without_implied",
    "write_inputs",
]

IMPLIED: dict[str, object] = {
    "training.input_size": None,
    "views.decoder": "pillow",
    "distillation.guide_loss": "kl",
    "distillation.standardize": False,
    "distillation.weights": "equal",
    "distillation.dkd_alpha": 1.0,
    "distillation.dkd_beta": 8.0,
    "distillation.dist_beta": 1.0,
    "distillation.dist_gamma": 1.0,
    "distillation.percentile": 0.0,
}
"""Keys that were added after the first records, each with the value that older runs had implicitly.

Such a key is omitted from a record at that value, so it makes no older run stale. An entry is never changed or removed,
even if the default of its setting changes.
"""


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flattens nested tables to dotted keys with JSON values."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value, ensure_ascii=False)
    return flat


def without_implied(inputs: Mapping[str, str]) -> dict[str, str]:
    """Returns the record without later keys at the value that older runs had implicitly."""
    implied = flatten(IMPLIED)
    return {key: value for key, value in inputs.items() if implied.get(key) != value}


def recorded_value(inputs: Mapping[str, str], key: str) -> object:
    """Returns the original value of a dotted key; None if the record has none."""
    try:
        value: object = json.loads(inputs.get(key, "null"))
    except (ValueError, RecursionError):
        return None  # edited by hand: the comparison of records reports it
    return value


def digest(inputs: Mapping[str, str]) -> str:
    """Returns the SHA-256 (hex) of the record."""
    return hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Change:
    """A setting that differs: its dotted key, its value in the record, and its value now; as JSON or "not set"."""

    setting: str
    was: str
    now: str

    def __str__(self) -> str:
        """Says it in words, as "training.lr was 0.1, is 0.05"; of long values and digests, the first characters."""
        was, now = ("were", "are") if self.setting in _PLURAL else ("was", "is")
        return f"{self.setting[:_LONGEST]} {was} {_short(self.was)}, {now} {_short(self.now)}"


_LONGEST = 60  # characters of a value that a sentence has
_MOST_CHANGES = 6  # that a reason names
_PLURAL = ("the store's views", "the store's weights")


def describe_changes(found: Sequence[Change]) -> str:
    """Returns a reason that names the first changes, and the number of the others."""
    more = f"; and {len(found) - _MOST_CHANGES} more" if len(found) > _MOST_CHANGES else ""
    return "; ".join(map(str, found[:_MOST_CHANGES])) + more


def _short(value: str) -> str:
    if re.fullmatch(r'"?[0-9a-f]{64}"?', value):
        return value.strip('"')[:16]
    if value == "null":  # TOML has none
        return "not set"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    """Returns each key that differs."""
    return [
        Change(key, before.get(key, "not set"), now.get(key, "not set"))
        for key in dict.fromkeys((*now, *before))
        if before.get(key) != now.get(key)
    ]


def read_inputs(folder: Path) -> dict[str, str] | None:
    """Returns the record of the run in `folder`, or None if no run was begun.

    Raises Damaged (12) if it is not a record, UnsafeStore (15) if it is not a regular file.
    """
    path = folder / INPUTS_FILE
    try:
        value = parse_object(read_file(path), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not all(isinstance(text, str) for text in value.values()):
        raise damaged_file(path, "a text for every key", "other values")
    return value


def require_inputs(folder: Path, inputs: Mapping[str, str], expected: str | None, *, by: str) -> None:
    """Raises Damaged unless `inputs`, read in `folder`, has the digest that `by` holds; None accepts any."""
    if expected is not None and (found := digest(inputs)) != expected:
        raise Damaged(
            f"{folder / INPUTS_FILE} has changed since the run was begun",
            expected=f"inputs of SHA-256 {expected[:16]}, as {by} has them",
            found=found[:16],
            do=START_OVER,
        )


def write_inputs(folder: Path, inputs: Mapping[str, str], *, partial: Partial = partial_of) -> None:
    """Writes the record in one rename, synced. Raises NoSpace."""
    path = folder / INPUTS_FILE
    text = json.dumps(dict(inputs), indent=1, ensure_ascii=False) + "\n"
    with full_disk(path):
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, text.encode(), temporary=partial(path))
