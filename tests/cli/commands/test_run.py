"""`run`: what it asks of the library's chain, and the table that it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from click.testing import Result

from dgkd_cache.workspace import chain
from dgkd_cache.workspace.chain import ChainRow

Command = Callable[..., Result]


def test_run_ends_with_a_table(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = ChainRow(
        model="teacher",
        architecture="plain6",
        parameters=82778,
        guides=(),
        accuracy="0.9",
        train_seconds=75.0,
        dump_seconds=3.21,
        cache_bytes=57_640_000,
        state="done",
        why="",
    )
    student = ChainRow(
        model="student",
        architecture="plain2",
        parameters=None,
        guides=("teacher",),
        accuracy=None,
        train_seconds=None,
        dump_seconds=None,
        cache_bytes=None,
        state="missing",
        why="not begun",
    )
    asked = create_autospec(chain.run_chain, return_value=[teacher, student])
    monkeypatch.setattr(chain, "run_chain", asked)
    result = command("run", "--remake", "--device", "cpu")
    assert result.exit_code == 0
    assert (asked.call_args.kwargs["remake"], asked.call_args.kwargs["device"]) == (True, "cpu")
    rows = [line.split("  ") for line in result.stdout.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["model", "architecture", "parameters", "guides", "accuracy", "train", "dump", "cache"],
        ["teacher", "plain6", "82,778", "-", "90.00 %", "1 min 15 s", "3.2 s", "57.6 MB"],
        ["student", "plain2", "-", "teacher", "-", "-", "-", "-"],
    ]
    assert "runs" in result.stderr and "guides" in result.stderr
    printed = json.loads(command("run", "--json").stdout)
    assert [row["model"] for row in printed] == ["teacher", "student"]
    assert printed[1]["guides"] == ["teacher"]
    assert asked.call_args.kwargs["remake"] is False
