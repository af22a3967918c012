"""What a run was made from, as one flat record: equal records mean that the run is still valid.

The record lies in the run's folder from before its first step, so that a changed setting is told key by key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgkd_cache.errors import DamagedStore
from dgkd_stores.disk.files import full_disk, write_durably

__all__ = ["INPUTS_FILE", "changes", "digest", "flatten", "read_inputs", "recorded", "write_inputs"]

INPUTS_FILE = "inputs.json"


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested tables as dotted keys with JSON values."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value, ensure_ascii=False)
    return flat


def recorded(inputs: Mapping[str, str], key: str) -> object:
    """The value that `flatten` was given for a dotted key; None where the record has none."""
    try:
        value: object = json.loads(inputs.get(key, "null"))
    except ValueError:
        return None  # edited by hand: the comparison of the records names it
    return value


def digest(inputs: Mapping[str, str]) -> str:
    """SHA-256 (hex) of the record."""
    return hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One line for each key that differs: "training.epochs: 160 -> 3"."""
    keys = [*now, *(key for key in before if key not in now)]
    return [
        f"{key}: {before.get(key, 'not set')} -> {now.get(key, 'not set')}"
        for key in keys
        if before.get(key) != now.get(key)
    ]


def read_inputs(folder: Path) -> dict[str, str] | None:
    """The record of the run in `folder`, or None where no run was begun. Raises DamagedStore for one cut short."""
    path = folder / INPUTS_FILE
    if not path.exists():
        return None
    try:
        return {str(key): str(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise DamagedStore(
            f"{path} cannot be read",
            expected="a JSON object",
            found=str(error),
            do=f"remove the folder {folder}: the run then starts from its beginning",
        ) from error


def write_inputs(folder: Path, inputs: Mapping[str, str]) -> None:
    """Writes the record in one rename, synced. Raises NoSpace."""
    path = folder / INPUTS_FILE
    text = json.dumps(dict(inputs), indent=1, ensure_ascii=False) + "\n"
    with full_disk(path):
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, text.encode(), temporary=path.with_name(path.name + ".partial"))
