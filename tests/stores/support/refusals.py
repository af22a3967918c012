"""One place of a store's JSON set to something else, and how such a store is refused."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import DgkdError, GuideStore, UnsafeStore
from dgkd_stores.format.limits import MAX_METADATA_BYTES

__all__ = ["edit", "refused"]


def edit(file: Path, *keys: Any, value: Any) -> None:
    """Set one place in a JSON file; `...` takes it out."""
    content = json.loads(file.read_bytes())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    file.write_text(json.dumps(content))


def refused(path: Path, error: type[DgkdError] = UnsafeStore, match: str = ".") -> None:
    """Opening fails that way, and allocates next to nothing on the way there."""
    tracemalloc.start()
    try:
        for allow_incomplete in (False, True):
            with pytest.raises(error, match=match):
                GuideStore.open(path, allow_incomplete=allow_incomplete)
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_METADATA_BYTES
    finally:
        tracemalloc.stop()
