"""`run`: what it asks of the library's chain, and the table that it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from click.testing import Result

from dgkd_cache.workspace import chain, chain_preview
from dgkd_cache.workspace.chain import ChainRow
from dgkd_cache.workspace.chain_preview import ModelPreview
from dgkd_cache.workspace.run_inputs import Change

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


@pytest.mark.parametrize("name", ["student", "student-" + "resnet8" * 8])
def test_the_table_cuts_no_word_at_80_columns(
    name: str, command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guides = ("teacher", "ta1", "ta2", "ta3", "ta4")
    row = ChainRow(
        model=name,
        architecture="wide_resnet101_2",
        parameters=126_886_696,
        guides=guides,
        accuracy="0.7655",
        train_seconds=4515.0,
        dump_seconds=75.0,
        cache_bytes=99_900_000,
        state="done",
        why="",
    )
    monkeypatch.setattr(chain, "run_chain", create_autospec(chain.run_chain, return_value=[row]))
    whole = ["wide_resnet101_2", "126,886,696", ",".join(guides), "1 h 15 min", "1 min 15 s", "99.9 MB"]
    wide = command("run").stdout
    assert all(cell in wide for cell in (name, "76.55 %", *whole))
    monkeypatch.setenv("COLUMNS", "80")
    table = command("run").stdout
    assert max(map(len, table.splitlines())) <= 80
    assert {name, "76.55"} <= {*table.split()}
    shown, _, hidden = table.partition("hidden at 80 columns: ")
    assert "parameters" in hidden and "parameters" not in shown
    headers = {"architecture": 0, "parameters": 1, "train": 3, "dump": 4, "cache": 5}
    for header, cell in headers.items():
        assert (whole[cell] in shown) == (header in shown) == (header not in hidden), "whole or not there"
    if "guides" in shown:
        assert {*guides} <= {*shown.replace(",", " ").split()}


def previews(**changes: object) -> list[ModelPreview]:
    done = {"guides": (), "state": "done", "why": "", "changes": (), "train": "keep", "dump": "keep"}
    kept = ModelPreview(model="teacher", exit_code=0, **done)
    return [kept, ModelPreview(**{**done, "model": "ta1", "guides": ("teacher",), **changes})]


LR = Change("training.lr", "0.1", "0.05")
STALE = {
    **{"state": "stale", "why": str(LR), "changes": (LR,), "train": "again", "dump": "again"},
    "exit_code": 13,
}
NEW = {"state": "missing", "train": "make", "dump": "make", "exit_code": 0}


@pytest.mark.parametrize(
    ("found", "options", "code", "line"),
    [
        (STALE, [], 13, "stale because training.lr was 0.1, is 0.05: `--remake` would train and dump it again"),
        (
            STALE,
            ["--remake"],
            0,
            "stale because training.lr was 0.1, is 0.05: `--remake` would train and dump it again",
        ),
        (NEW, [], 0, "missing: would be trained under teacher, then dumped"),
    ],
)
def test_a_dry_run_says_what_would_be_made_and_exits_as_run_would(
    command: Command,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: dict[str, object],
    options: list[str],
    code: int,
    line: str,
) -> None:
    asked = create_autospec(chain_preview.preview_chain, return_value=previews(**found))
    monkeypatch.setattr(chain_preview, "preview_chain", asked)
    monkeypatch.setattr(chain, "run_chain", create_autospec(chain.run_chain, side_effect=AssertionError))
    result = command("run", "--dry-run", *options)
    assert (result.exit_code, result.stdout.splitlines()) == (code, ["teacher: done, kept", f"ta1: {line}"])
    assert ("would set aside and make again: ta1" in result.stderr) is bool(code)
    printed = json.loads(command("run", "--dry-run", "--json", *options).stdout)
    assert (printed["exit_code"], printed["stops_at"]) == (code, "ta1" if code else None)
    assert [(model["model"], model["train"]) for model in printed["models"]] == [
        ("teacher", "keep"),
        ("ta1", found["train"]),
    ]


def test_damage_comes_first(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The damage is told first, because `run` reads all files before it compares any settings."""
    stale = previews(**STALE)[1]
    damaged = previews(**{**STALE, "model": "student", "state": "damaged", "why": "its weights", "exit_code": 12})[1]
    monkeypatch.setattr(
        chain_preview, "preview_chain", create_autospec(chain_preview.preview_chain, return_value=[stale, damaged])
    )
    assert command("run", "--dry-run").exit_code == 12


def test_loggers_reach_the_chain_and_an_unknown_one_is_refused(
    command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = command("run", "--log", "tensorbord")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "unknown logger 'tensorbord'" in refused.stderr and "did you mean tensorboard?" in refused.stderr
    assert not (workspace / "runs").exists()
    asked = create_autospec(chain.run_chain, return_value=[])
    monkeypatch.setattr(chain, "run_chain", asked)
    assert command("run", "--log", "wandb,tensorboard").exit_code == 0
    assert asked.call_args.kwargs["log"] == ("wandb", "tensorboard")
