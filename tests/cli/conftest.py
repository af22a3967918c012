"""What the command line's tests share: a runner, and a small workspace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dgkd_cli.main import main

TEXT = """
[views]
transforms = ["crop(1)"]
count = 2
[chain]
teacher = "plain6"
ta1 = "plain4"
student = "plain2"
[training]
epochs = 2
lr = 0.01
"""

Command = Callable[..., Result]


@pytest.fixture
def command() -> Command:
    """Runs `dgkd-cache ARGUMENTS...`; an exception that is no exit is a bug and fails the test."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that is the current folder."""
    (tmp_path / "dgkd.toml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path
