"""A finished chain for each test of a task."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dgkd_cache.workspace.workspace import Workspace


@pytest.fixture
def done(done, tmp_path: Path):
    """The finished chain in a folder of its own: these tests add runs to it."""
    ws, rows = done
    shutil.copytree(ws.folder, tmp_path / "done")
    return Workspace(tmp_path / "done", ws.config), rows
