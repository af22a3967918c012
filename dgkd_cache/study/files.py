"""The files of a study and of its report: JSON is read within a limit, and all of them are written in one rename."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgkd_cache.run_files.reading import parse_object, read_file
from dgkd_stores.disk import full_disk, make_folder, write_durably

__all__ = ["RESULTS_FILE", "read_json", "write_json", "write_text"]

RESULTS_FILE = "results.json"

_LARGEST = 2**26  # bytes


def read_json(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file. Raises FileNotFoundError, and Damaged if it is none or too large."""
    return parse_object(read_file(path, limit=_LARGEST), path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON in bytes that `content` alone decides: its keys are sorted. Raises NoSpace."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8, over an earlier one; makes its folder. Raises NoSpace."""
    with full_disk(path):
        make_folder(path.parent)
        write_durably(path, text.encode())
