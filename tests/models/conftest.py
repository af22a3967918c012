"""A module of the user's own, for the tests of its networks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> None:
        sys.modules.pop("my_nets", None)
        (tmp_path / "my_nets.py").write_text("import torch\nfrom torch import nn\n" + source)

    return write
