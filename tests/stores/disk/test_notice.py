"""Notices: one line on stderr or in a program's log, some only once a process."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dgkd_stores.disk.notice
from dgkd_stores import verify


def test_a_notice_is_a_line_on_stderr_once(tmp_path: Path) -> None:
    code = (
        "from dgkd_stores.disk.notice import notice_once as n; n('a', 'one\\x1b[31m\\nline'); n('a', 'x'); n('b', 'y')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "one?[31m line\ny\n")


@pytest.fixture
def fresh_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dgkd_stores.disk.notice, "said", set())


@pytest.mark.usefixtures("fresh_notices")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    """A file system as CIFS, FUSE and shared folders of virtual machines are: files are synced, folders are not."""

    def sync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        really(handle)

    really = os.fsync
    monkeypatch.setattr(os, "fsync", sync)
    assert recipe().write(tmp_path / "a.zarr")
    (said,) = caplog.messages
    assert said.startswith("the file system of ") and "cannot sync folders" in said and os.strerror(code) in said
    assert verify(tmp_path / "a.zarr", full=True).damage == ()
