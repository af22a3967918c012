"""Another process that holds a lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.holder import another_holder


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process that holds views 0 to 9."""
    with another_holder(tmp_path / "a.zarr") as process:
        yield process
