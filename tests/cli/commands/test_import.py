"""`import`: a store from elsewhere becomes a guide of the workspace, under which name and where."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_stores import GuideStore

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def seal_of(store: Path) -> str:
    return json.loads((store / "zarr.json").read_text())["attributes"]["dgkd_seal"]


def test_the_guide_gives_the_name(command: Command, guides: Path, workspace: Path) -> None:
    (workspace / "dgkd.toml").write_text((workspace / "dgkd.toml").read_text().replace("count = 2", "count = 3"))
    shutil.move(guides / "ta1.zarr", workspace / "moved.zarr")
    result = command("import", "moved.zarr", "--codec", "blosc")
    assert result.exit_code == 0, result.stderr
    with GuideStore.open(guides / "ta1.zarr") as store:
        assert store.seal == seal_of(workspace / "moved.zarr") and store.codec == "blosc"
    assert "ta1 " in command("ls").stdout


def test_import_without_a_workspace(command: Command, three_guides: list[Path], tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    result = command("-w", str(bare), "import", str(three_guides[0]))
    assert result.exit_code == 2 and "is no workspace" in result.stderr
    result = command("-w", str(bare), "import", str(three_guides[0]), "--to", str(bare / "deep" / "a.zarr"))
    assert result.exit_code == 0 and (bare / "deep" / "a.zarr").is_dir()


def test_what_has_the_name_of_the_folder_of_locks(command: Command, guides: Path) -> None:
    (guides / "new-0-3.zarr.writing").write_text("my own words")
    result = command("import", "guides/ta1.zarr", "--name", "new")
    assert (result.exit_code, result.stdout) == (15, "")
    assert "new-0-3.zarr.writing is in the way" in result.stderr and "; remove it" in result.stderr
    assert command("verify").exit_code == 15


def test_a_missing_file_is_told_before_a_missing_workspace(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["import", "nofile.h5"], ["export", "nofile.h5", "a.h5"], ["export", "./nofile.zarr", "a.h5"]):
        result = command(*words)
        assert result.exit_code == 10 and "Error: no guide store at nofile" in result.stderr
