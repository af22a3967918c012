"""A workspace of tiny images with a chain of three, for studies."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny_chain import add_module, workspace

from dgkd_cache.workspace.workspace import Workspace

CHAIN = 'teacher = "plain6"\nta1 = "plain4"\nstudent = "plain2"'


@pytest.fixture(scope="session")
def _module(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        add_module(tmp_path_factory.mktemp("study_module"), patch)
        yield


@pytest.fixture
def ws(tmp_path: Path, _module: None) -> Workspace:
    """A workspace in which nothing was run."""
    return workspace(tmp_path / "ws", chain=CHAIN, training__epochs=2)
