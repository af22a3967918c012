"""Progress over the bytes of a transfer."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cli.app import App
from dgkd_cli.transfer import transferring


def test_it_ends_with_the_duration(capsys: pytest.CaptureFixture[str]) -> None:
    with transferring(App(folder=Path("."), quiet=False), "push a.zarr") as (report, stop):
        report(10, 10)
        assert not stop()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "push a.zarr: 10 B" and lines[1].startswith("push a.zarr: done in ")
