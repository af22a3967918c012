"""`ls`: the runs and stores that are there, in which state, and what is neither."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Command = Callable[..., Result]


def test_ls_tells_states_and_sizes(command: Command, workspace: Path, teacher: Path) -> None:
    (workspace / "runs" / "ta1").mkdir()
    (workspace / "runs" / "other").mkdir()
    (workspace / "runs" / "other" / "card.json").write_text("{")
    (workspace / "guides" / "bad.zarr").mkdir(parents=True)
    (workspace / "guides" / "bad.zarr" / "zarr.json").write_text("{")
    result = command("ls")
    assert (result.exit_code, result.stderr) == (0, "")
    runs, stores = result.stdout.split("\n\n")
    assert [line.split()[:2] for line in runs.splitlines()[1:]] == [
        ["teacher", "done"],
        ["ta1", "missing"],
        ["student", "missing"],
        ["other", "damaged"],
    ]
    assert "88.12 %" in runs
    assert stores.splitlines()[1].split()[:2] == ["bad", "refused"]
    printed = json.loads(command("ls", "--json").stdout)
    assert printed["runs"][0]["nbytes"] == sum(path.stat().st_size for path in teacher.iterdir())
    assert printed["stores"][0]["why"]


def test_foreign_things_in_runs_are_named_and_hide_nothing(command: Command, workspace: Path, teacher: Path) -> None:
    runs = workspace / "runs"
    (runs / "A run?").mkdir()
    os.mkfifo(runs / "pipe")
    (runs / "piped").mkdir()
    os.mkfifo(runs / "piped" / "card.json")
    (runs / "sparse").mkdir()
    (runs / "sparse" / "card.json").touch()
    os.truncate(runs / "sparse" / "card.json", 2 * 2**30)
    (runs / "evil").mkdir()
    (runs / "evil" / "card.json").write_text('{"format": "\\u001b[2J[bold]x"}')
    printed = json.loads(command("ls", "--json").stdout)["runs"]
    assert {Path(run["name"]).name: run["state"] for run in printed} == {
        "teacher": "done",
        "ta1": "missing",
        "student": "missing",
        "piped": "refused",
        "sparse": "damaged",
        "evil": "damaged",
        "A run?": "unknown",
        "pipe": "unknown",
    }
    assert [bool(run["why"]) for run in printed] == [False] * 3 + [True] * 5
    listed = command("ls")
    assert listed.exit_code == 0 and "\x1b" not in listed.stdout and "remark" in listed.stdout
    assert command("info", "teacher").exit_code == 0
    for name, code in (("piped", 15), ("sparse", 12), ("evil", 12)):
        result = command("info", name)
        assert (result.exit_code, result.stdout) == (code, "") and result.stderr.startswith("Error: runs/")
