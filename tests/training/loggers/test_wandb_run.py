"""Runs of wandb, offline, read back from its own files: the lines, each once, over all sessions of a run."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest
from support.wandb_file import WandbFile, wandb_files

from dgkd_cache.errors import Damaged
from dgkd_cache.training.loggers import LoggedRun
from dgkd_cache.training.loggers.wandb_run import WandbRun

pytestmark = pytest.mark.usefixtures("offline")


def log(run: LoggedRun, before: list[dict[str, Any]], more: list[dict[str, Any]], *, failed: bool = False) -> None:
    logger = WandbRun(run)
    logger.begin(before)
    for line in more:
        logger.add(line)
    logger.close(failed=failed)


def rows(*files: WandbFile) -> list[dict[str, Any]]:
    """Returns the lines that were logged, without what wandb adds."""
    found = [{"step": row["_step"], **row} for file in files for row in file.history]
    return [{key: value for key, value in row.items() if not key.startswith("_")} for row in found]


def test_lines_settings_and_name_are_in_its_file(run: LoggedRun, lines: Any) -> None:
    log(run, lines(1), lines(3)[1:])
    (file,) = wandb_files(run.folder)
    assert rows(file) == lines(3)
    assert {key: file.config[key] for key in run.settings} == run.settings
    assert (file.run.project, file.run.display_name, file.exit_code) == ("dgkd-cache", "ta1", 0)


def test_the_project_may_be_named_by_the_environment(
    run: LoggedRun, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    log(run, [], lines(1), failed=True)
    (file,) = wandb_files(run.folder)
    assert (file.run.project, file.exit_code) == ("mine", 1)


@pytest.mark.parametrize("kept", [0, 2, 4, 5])
def test_a_resumed_run_goes_on_in_the_same_one_and_has_each_line_once(run: LoggedRun, lines: Any, kept: int) -> None:
    """It was stopped after four lines, of which it repeats some, or had one more that was not passed on."""
    log(run, [], lines(4))
    log(run, lines(kept), lines(6)[kept:])
    first, second = wandb_files(run.folder)
    assert rows(first, second) == lines(6) and rows(first) == lines(4)
    assert first.run.run_id == second.run.run_id == json.loads((run.folder / "wandb/dgkd.json").read_bytes())["id"]


def test_after_a_kill_a_new_run_has_all_lines(run: LoggedRun, lines: Any) -> None:
    """The lines of the killed session may be lost: wandb keeps lines in memory for a while."""
    import wandb  # slow to load: only in the process that runs this

    log(run, [], lines(2))
    pid = os.fork()
    if pid == 0:
        # A process without wandb's service stands for one that begins, and is killed.
        wandb.init = lambda **settings: os.kill(os.getpid(), signal.SIGKILL)
        WandbRun(run).begin(lines(2))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    log(run, lines(3), lines(4)[3:])
    first, second = wandb_files(run.folder)
    assert rows(first) == lines(2) and rows(second) == lines(4)
    assert first.run.run_id != second.run.run_id


def test_two_runs_of_a_name_are_two(run: LoggedRun, lines: Any) -> None:
    log(run, [], lines(1))
    run.folder.rename(run.folder.with_name("aside"))
    run.folder.mkdir()
    log(run, [], lines(1))
    (first,), (second,) = wandb_files(run.folder.with_name("aside")), wandb_files(run.folder)
    assert first.run.run_id != second.run.run_id


def test_a_damaged_state_is_an_error(run: LoggedRun, lines: Any) -> None:
    (run.folder / "wandb").mkdir()
    (run.folder / "wandb/dgkd.json").write_text("{")
    with pytest.raises(Damaged):
        WandbRun(run).begin(lines(1))
