"""--resume continues as happens anyway, and is exit code 10 where nothing was begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Command = Callable[..., Result]


def test_nothing_was_begun(command: Command, here: Path) -> None:
    for words, what in (
        (["run"], "the chain"),
        (["run", "--dry-run"], "the chain"),
        (["train", "teacher"], "the run teacher"),
        (["train", "teacher", "--name", "other"], "the run other"),
        (["dump", "teacher"], "guides/teacher.zarr"),
    ):
        done = command(*words, "--resume")
        assert (done.exit_code, done.stdout) == (10, ""), words
        assert f"there is nothing to resume: {what} was not begun; leave --resume out" in done.stderr
    assert not (here / "runs").exists() and not (here / "guides").exists()


def test_what_was_begun_is_continued(command: Command, here: Path) -> None:
    trained = command("train", "teacher", "--device", "cpu")
    assert trained.exit_code == 0 and "train teacher: 3 epochs of 96 samples\n" in trained.stderr
    assert "nothing to do" in command("train", "teacher", "--resume", "--device", "cpu").stderr
    begun = command("dump", "teacher", "--shard", "0/2", "--device", "cpu")
    assert begun.exit_code == 0 and "dump teacher: 1 view of 96 samples\n" in begun.stderr
    resumed = command("dump", "teacher", "--resume", "--device", "cpu")
    assert resumed.exit_code == 0
    assert "dump teacher: 2 views of 96 samples, 96 samples done before\n" in resumed.stderr
    preview = command("run", "--dry-run", "--device", "cpu")
    assert preview.exit_code == 0 and preview.stdout.startswith("teacher: done, kept\n")
    assert command("run", "--resume", "--dry-run", "--device", "cpu").stdout == preview.stdout
    assert command("run", "--resume", "--device", "cpu").exit_code == 0


@pytest.mark.parametrize("words", ["train teacher --fresh", "run --remake"])
def test_beginning_anew_is_no_resuming(command: Command, workspace: Path, words: str) -> None:
    done = command(*words.split(), "--resume")
    assert (done.exit_code, done.stdout) == (2, "") and "--resume continues what --" in done.stderr
