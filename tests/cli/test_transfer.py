"""Progress over bytes, some of which are sent again."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dgkd_cli.app import App
from dgkd_cli.progress import LineProgress
from dgkd_cli.transfer import _report, transferring


def test_bytes_that_are_sent_again_count_once() -> None:
    out = io.StringIO()
    report = _report(LineProgress(out), "pull a.zarr")
    for done in (0, 400, 0, 1000):
        report(done, 1000)
    assert out.getvalue() == "pull a.zarr: 1 kB\n"


def test_it_ends_with_the_duration(capsys: pytest.CaptureFixture[str]) -> None:
    with transferring(App(folder=Path("."), quiet=False), "push a.zarr") as (report, stop):
        report(10, 10)
        assert not stop()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "push a.zarr: 10 B" and lines[1].startswith("push a.zarr: done in ")
