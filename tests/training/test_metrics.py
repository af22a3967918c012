"""The metrics file: whole lines or none, and nothing lost to a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dgkd_cache.errors import NoSpace
from dgkd_cache.training.metrics import MetricsLog, read_metrics


def test_a_resumed_run_drops_what_it_will_write_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, resume_epoch=0)
    for epoch in range(3):
        log.append({"epoch": epoch, "loss": 0.5})
    with path.open("a") as file:
        file.write('{"epoch": 3, "lo')  # a crash in the middle of a line
    assert [line["epoch"] for line in read_metrics(path)] == [0, 1, 2]
    MetricsLog(path, resume_epoch=2)
    assert path.read_text() == '{"epoch": 0, "loss": 0.5}\n{"epoch": 1, "loss": 0.5}\n'


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, resume_epoch=0)
    for epoch in range(3):
        log.append({"epoch": epoch})
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace) as caught:
        MetricsLog(path, resume_epoch=1)
    assert caught.value.exit_code == 14 and path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_numbers_that_json_does_not_have_are_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        MetricsLog(tmp_path / "m", resume_epoch=0).append({"loss": float("nan")})
