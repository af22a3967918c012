"""The rows in a chunk, as logits/zarr.json states them or as the files tell."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import DgkdError, GuideStore, UnsafeStore
from dgkd_stores.format.limits import MAX_METADATA_BYTES


@pytest.fixture
def path(recipe: Any, small_chunks: None, tmp_path: Path) -> Path:
    recipe().write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


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


@pytest.mark.parametrize(
    "shape", [[1, 12, 7], [1, 0, 7], [1, 51, 7], [2, 16, 7], [1, 16, 6], [1, True, 7], [1, 16], "x"]
)
def test_chunk_shapes(path: Path, shape: Any) -> None:
    edit(path / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=shape)
    refused(path)
