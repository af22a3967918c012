"""`export`: a store in another form, whole or not at all, and each refusal with its exit code."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_stores import GuideStore
from dgkd_stores.disk import ALL_VIEWS, Owner, ViewLock

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def test_another_form_of_folder(command: Command, guides: Path, tmp_path: Path) -> None:
    assert command("export", "guides/ta1.zarr", "small.zarr", "--codec", "zstd").exit_code == 0
    with GuideStore.open(tmp_path / "small.zarr") as store:
        assert (store.kind, store.codec) == ("zarr", "zstd")


def test_the_new_store_is_opened_once(
    command: Command, guides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be read back, before it has its place."""
    opened: list[str] = []
    original = GuideStore.__init__
    monkeypatch.setattr(
        GuideStore, "__init__", lambda self, path, **how: (opened.append(path.name), original(self, path, **how))[1]
    )
    result = command("export", "ta1", "a.h5", "--json")
    assert opened == ["ta1.zarr", "a.h5"]
    told = json.loads(result.stdout)
    assert (told["bytes"], told["container"], told["written"]) == ((tmp_path / "a.h5").stat().st_size, "hdf5", True)


def test_twice_is_once(command: Command, guides: Path, tmp_path: Path) -> None:
    assert command("export", "ta1", "a.h5").exit_code == 0
    before = (tmp_path / "a.h5").stat().st_mtime_ns
    again = command("export", "ta1", "a.h5", "--json")
    assert again.exit_code == 0 and json.loads(again.stdout)["written"] is False
    assert again.stderr == "a.h5 is this very store already: nothing was done\n"
    assert (tmp_path / "a.h5").stat().st_mtime_ns == before


def test_an_unfinished_store(command: Command, guides: Path) -> None:
    group = guides / "ta1.zarr" / "zarr.json"
    content = json.loads(group.read_text())
    del content["attributes"]["dgkd_seal"], content["attributes"]["dgkd_digests"]
    group.write_text(json.dumps(content))
    result = command("export", "ta1", "a.h5")
    assert (result.exit_code, result.stdout) == (3, "") and "is not finished" in result.stderr


def test_held_by_another(command: Command, guides: Path, workspace: Path) -> None:
    with ViewLock(workspace / "a.h5", ALL_VIEWS, guide=""):
        result = command("export", "ta1", "a.h5")
        assert (result.exit_code, result.stdout) == (11, "") and "all views of a.h5 are being written" in result.stderr
        assert command("export", "ta1", "a.h5", "--take-over").exit_code == 11


def test_held_elsewhere(command: Command, guides: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another")
        lock = ViewLock(workspace / "a.h5", ALL_VIEWS, guide="")
    refused = command("export", "ta1", "a.h5")
    assert refused.exit_code == 11 and "on host another" in refused.stderr
    assert "the same command with `--take-over`" in refused.stderr
    assert command("export", "ta1", "a.h5", "--take-over").exit_code == 0
    assert Owner.of(os.getpid()).host != "another" and lock.store == workspace / "a.h5"


def test_another_version(command: Command, guides: Path) -> None:
    group = guides / "ta1.zarr" / "zarr.json"
    group.write_text(group.read_text().replace('"version": 1', '"version": 3'))
    assert command("export", "ta1", "a.h5").exit_code == 13


def test_no_space(command: Command, guides: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.write

    def full(handle: int, data: bytes | memoryview) -> int:
        if len(data) > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(handle, data)

    monkeypatch.setattr(os, "write", full)
    for target in ("a.h5", "a.zarr"):
        result = command("export", "ta1", target)
        assert (result.exit_code, result.stdout) == (14, ""), result.stderr
        assert f"no space left while writing {target}" in result.stderr
        assert result.stderr.endswith("run the same command again: nothing half-done stays\n")
    assert sorted(os.listdir(workspace)) == ["dgkd.toml", "guides"]


def test_a_full_disk_before_the_first_byte(
    command: Command, guides: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.mkdir

    def full(path: object, *more: int) -> None:
        if ".writing" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(path, *more)

    monkeypatch.setattr(os, "mkdir", full)
    result = command("export", "ta1", "a.h5")
    assert (result.exit_code, result.stdout) == (14, "")
    assert result.stderr.endswith("run the same command again: nothing was begun\n")
