"""Command lines for hints, read by a shell's rules."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dgkd_cache.workspace.command_lines import command_in


def test_the_workspace_is_named_where_it_is_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert command_in(folder, "ls") == command_in(Path("."), "ls") == "dgkd-cache ls"
    monkeypatch.chdir(tmp_path)
    assert shlex.split(command_in(Path("my work"), "ls --json")) == ["dgkd-cache", "-w", "my work", "ls", "--json"]


def test_the_current_folder_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert shlex.split(command_in(tmp_path, "ls")) == ["dgkd-cache", "-w", str(tmp_path), "ls"]
