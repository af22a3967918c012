"""A finished store for what is written from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def source(recipe: Any, tmp_path: Path) -> Path:
    recipe().write(tmp_path / "source.zarr")
    return tmp_path / "source.zarr"
