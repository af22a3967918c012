"""The rows in a chunk, as logits/zarr.json states them or as the files tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stores.support.refusals import edit, refused


@pytest.mark.parametrize(
    "shape", [[1, 12, 7], [1, 0, 7], [1, 51, 7], [2, 16, 7], [1, 16, 6], [1, True, 7], [1, 16], "x"]
)
def test_chunk_shapes(path: Path, shape: Any) -> None:
    edit(path / "logits" / "zarr.json", "chunk_grid", "configuration", "chunk_shape", value=shape)
    refused(path)
