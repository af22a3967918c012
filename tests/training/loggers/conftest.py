"""A run with lines of metrics, as the loggers get them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dgkd_cache.training.loggers import LoggedRun

Lines = Callable[[int], list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> LoggedRun:
    (tmp_path / "ta1").mkdir()
    settings = {"training.lr": 0.01, "guides": ["teacher"], "views.count": 2}
    return LoggedRun(name="ta1", folder=tmp_path / "ta1", settings=settings)


@pytest.fixture
def lines() -> Lines:
    """The first lines of a run, by their number."""
    return lambda count: [
        {"epoch": epoch, "step": 3 * epoch + 3, "loss": 1 / (1 + epoch), "lr": 0.1, "seconds": 2.5 + epoch}
        for epoch in range(count)
    ]
