"""The metrics file: whole lines or none, and nothing lost to a full disk."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path

import pytest

from dgkd_cache.errors import Damaged, NoSpace, UnsafeStore
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


def test_the_digest_is_of_the_lines_that_a_resumed_run_keeps(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, resume_epoch=0)
    digests = [log.digest]
    for epoch in range(3):
        log.append({"epoch": epoch, "loss": 0.5})
        digests.append(log.digest)
    assert digests[3] == hashlib.sha256(path.read_bytes()).hexdigest()
    text = path.read_bytes()
    assert MetricsLog(path, resume_epoch=2, digest=digests[2]).digest == digests[2]
    assert path.read_bytes() == text[: len(text) * 2 // 3]
    path.write_bytes(text.replace(b"0.5", b"0.4", 1))
    for content in (text.replace(b"0.5", b"0.4", 1), text[:20], b""):
        path.write_bytes(content)
        with pytest.raises(Damaged, match="not what was written up to the checkpoint.*--fresh") as caught:
            MetricsLog(path, resume_epoch=2, digest=digests[2])
        assert caught.value.exit_code == 12 and path.read_bytes() == content
    path.unlink()
    with pytest.raises(Damaged):
        MetricsLog(path, resume_epoch=2, digest=digests[2])


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    path, behind = tmp_path / "metrics.jsonl", tmp_path / "behind"
    behind.write_text("mine")
    os.link(behind, path)
    log = MetricsLog(path, resume_epoch=0)
    log.append({"epoch": 0})
    assert behind.read_text() == "mine" and path.read_text() == '{"epoch": 0}\n'
    path.unlink()
    path.symlink_to(behind)
    with suppress(UnsafeStore):  # a link that is put there between two epochs is replaced or refused
        log.append({"epoch": 1})
    assert behind.read_text() == "mine"
    path.unlink(missing_ok=True)
    path.symlink_to(behind)
    with pytest.raises(UnsafeStore):
        MetricsLog(path, resume_epoch=0)
    assert behind.read_text() == "mine"


@pytest.mark.parametrize("text", ['{"epoch": 0\n', "[]\n", '{"epoch": NaN}\n', "[" * 10**5 + "\n"])
def test_lines_that_are_none_are_damage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(text)
    with pytest.raises(Damaged):
        read_metrics(path)
