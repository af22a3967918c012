"""`dump`: what it asks of the library's task, views that others hold, and a disk that is full."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from click.testing import CliRunner, Result
from support.disk import CHANGING, FullDisk, watched
from support.tiny_chain import CONFIG, MODULE, content

from dgkd_cache.device.environment import describe
from dgkd_cache.dump import inference
from dgkd_cache.workspace import tasks
from dgkd_cli.main import main
from dgkd_stores.disk import Owner, ViewLock

Command = Callable[..., Result]

DUMP = ("dump", "--model", "teacher", "--device", "cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a finished teacher, and beside it, under `whole`, the store that an undisturbed dump makes."""
    folder = tmp_path_factory.mktemp("dump")
    (folder / "tiny_bars.py").write_text(MODULE)
    workspace = folder / "ws"
    workspace.mkdir()
    chain = 'teacher = "plain2"\nstudent = "plain2"'
    (workspace / "dgkd.toml").write_text(CONFIG.format(chain=chain))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.chdir(workspace)
        run = CliRunner().invoke(main, ["train", "--model", "teacher", "--device", "cpu"])
        assert run.exit_code == 0, run.output
        shutil.copytree(workspace, folder / "whole")
        patch.chdir(folder / "whole")
        assert CliRunner().invoke(main, DUMP).exit_code == 0
        yield folder


@pytest.fixture
def ws(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the workspace that is the current folder; it has no store yet."""
    shutil.copytree(trained / "ws", tmp_path / "ws")
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


def held_by(ws: Path, owner: dict[str, object], *, views: range = range(0, 2)) -> Path:
    """A lock on the teacher's store, with a file that was not finished."""
    (ws / "guides").mkdir(exist_ok=True)
    lock = ViewLock(ws / "guides" / "teacher.zarr", views, guide="teacher")
    (lock.folder / "logits.c.0.0.0.partial").write_bytes(b"half")
    place = lock.folder.parent
    (place / "owner.json").write_text(json.dumps({**vars(Owner.of(os.getpid())), **owner}))
    return place


@pytest.mark.parametrize("verb", [DUMP, ("run", "--device", "cpu"), (*DUMP, "--shard", "1/2")])
def test_views_that_another_host_holds(command: Command, trained: Path, ws: Path, verb: tuple[str, ...]) -> None:
    lock = held_by(ws, {"host": "node17", "pid": 4242, "boot": "x"})
    refused = command(*verb)
    assert (refused.exit_code, refused.stdout) == (11, "")
    assert re.search("views 0 to 1 of .*teacher.zarr.*found process 4242 on host node17; wait for it", refused.stderr)
    assert [path.name for path in (ws / "guides").iterdir()] == ["teacher.zarr.writing"]
    assert list(lock.glob("*/logits.c.0.0.0.partial"))

    hint = re.search("`dgkd-cache (.*?)`", refused.stderr)
    assert hint is not None
    assert command(*shlex.split(hint[1]), "--device", "cpu").exit_code == 0
    assert [path.name for path in (ws / "guides").iterdir()] == ["teacher.zarr"]
    assert content(ws) == content(trained / "whole")


def test_views_that_a_process_of_this_host_holds(command: Command, trained: Path, ws: Path) -> None:
    lock = held_by(ws, {})
    for options in ((), ("--take-over",)):
        refused = command(*DUMP, *options)
        assert (refused.exit_code, refused.stdout) == (11, "")
        assert re.search(f"views 0 to 1 of .*found process {os.getpid()} on host \\S+; wait for it$", refused.stderr)
        assert list(lock.glob("*/logits.c.0.0.0.partial"))
    (lock / "owner.json").write_text(json.dumps({**vars(Owner.of(os.getpid())), "start": "1"}))
    assert command(*DUMP).exit_code == 0, "the process of that number is another one by now"
    assert [path.name for path in (ws / "guides").iterdir()] == ["teacher.zarr"]
    assert content(ws) == content(trained / "whole")


def test_what_a_writer_killed_after_the_seal_left_is_swept(command: Command, trained: Path, ws: Path) -> None:
    shutil.copytree(trained / "whole" / "guides", ws / "guides")
    held_by(ws, {"start": "1"})
    finished = command(*DUMP)
    assert finished.exit_code == 0 and "is finished: nothing to do" in finished.stderr
    assert [path.name for path in (ws / "guides").iterdir()] == ["teacher.zarr"]
    assert content(ws) == content(trained / "whole")


def test_a_store_of_another_machine(command: Command, trained: Path, ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of torch, or on a GPU, what is finished stays as it is; rows of two machines do not mix."""
    assert command(*DUMP, "--shard", "0/2").exit_code == 0
    elsewhere = {"device": "NVIDIA H100", "capability": "sm_90", "tf32": 1, "torch": "9.9.9"}
    monkeypatch.setattr(inference, "describe", lambda *of: describe(*of) | elsewhere)
    begun = command(*DUMP)
    assert begun.exit_code == 13 and "was made with another compute.capability, compute.device" in begun.stderr

    shutil.rmtree(ws / "guides")
    shutil.copytree(trained / "whole" / "guides", ws / "guides")
    finished = command(*DUMP)
    assert finished.exit_code == 0 and "is finished: nothing to do" in finished.stderr
    assert content(ws) == content(trained / "whole")
    other = command(*DUMP, "--precision", "bf16")
    assert other.exit_code == 13 and "compute.precision" in other.stderr


def test_a_disk_that_is_full_again_and_again(command: Command, trained: Path, ws: Path) -> None:
    """The first call that changes the disk fails, in the next run the second, and so on until a run gets through."""
    for point in itertools.count(1):
        with watched(FullDisk(point, names=CHANGING[:-2], code=errno.ENOSPC)):
            result = command(*DUMP)
        if result.exit_code == 0:
            break
        assert (result.exit_code, result.stdout) == (14, "")
        assert "no space left" in result.stderr and "run the same command again" in result.stderr
        assert {path.name for path in (ws / "guides").glob("*")} <= {"teacher.zarr"}
        assert not list(ws.rglob("*.partial"))
    assert point > 20
    assert content(ws) == content(trained / "whole")


def test_dump(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workspace / "guides" / "ta1.zarr"
    answer = tasks.DumpResult(path=path, seal="cd" * 32, views=range(0, 40), nbytes=57_640_000, seconds=3.21)
    asked = create_autospec(tasks.dump_guide, return_value=answer)
    monkeypatch.setattr(tasks, "dump_guide", asked)
    result = command("dump", "--model", "ta1", "--views", "0:40", "--shard", "1/4", "--precision", "bf16")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (asked.call_args.kwargs["model"], asked.call_args.kwargs["views"], asked.call_args.kwargs["shard"]) == (
        "ta1",
        range(0, 40),
        (1, 4),
    )
    assert asked.call_args.args[0].config.cache.precision == "bf16"
    for word in (str(path), "cd" * 32, "0:40", "57.6 MB", "3.2 s"):
        assert word in result.stdout
    printed = json.loads(command("dump", "--model", "ta1", "--json").stdout)
    assert printed["bytes"] == 57_640_000
    assert printed["views"] == [0, 40]
    assert (asked.call_args.kwargs["views"], asked.call_args.kwargs["shard"]) == (None, None)
    assert asked.call_args.args[0].config.cache.precision == "float32"


@pytest.mark.parametrize("option", ["--views=40", "--views=4:4", "--shard=4/4", "--shard=1", "--shard=-1/4"])
def test_dump_refuses_ranges_that_mean_nothing(command: Command, workspace: Path, option: str) -> None:
    result = command("dump", "--model", "ta1", option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected" in result.stderr and "found" in result.stderr


def test_draws(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [workspace / "guides" / f"ta1.d{draw}.zarr" for draw in range(2)]
    answers = [
        tasks.DumpResult(path=path, seal=str(draw) * 64, views=range(4), nbytes=1000, seconds=1.0)
        for draw, path in enumerate(paths)
    ]
    asked = create_autospec(tasks.dump_draws, return_value=answers)
    monkeypatch.setattr(tasks, "dump_draws", asked)
    result = command("dump", "ta1", "--draws", "2", "--views", "0:4", "--shard", "1/4")
    assert (result.exit_code, result.stderr) == (0, "")
    kept = {key: asked.call_args.kwargs[key] for key in ("model", "draws", "views", "shard")}
    assert kept == {"model": "ta1", "draws": 2, "views": range(4), "shard": (1, 4)}
    for draw, path in enumerate(paths):
        assert str(path) in result.stdout and str(draw) * 64 in result.stdout
    printed = json.loads(command("dump", "ta1", "--set", "cache.draws=2", "--json").stdout)
    assert [one["path"] for one in printed["draws"]] == [str(path) for path in paths]
    assert asked.call_args.kwargs["draws"] == 2
    assert command("dump", "ta1", "--draws", "2", "--resume").exit_code == 10


def test_draws_of_a_model_without_dropout(command: Command, ws: Path) -> None:
    refused = command(*DUMP, "--draws", "2")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "guide 'teacher.d0' has no dropout layer" in refused.stderr and not list(ws.glob("guides/*"))
    wrong = command(*DUMP, "--draws", "-1")
    assert wrong.exit_code == 2 and "--draws" in wrong.stderr


def test_a_pattern_that_matches_nothing(command: Command, ws: Path) -> None:
    refused = command("train", "--student", "plain2", "--guides", "teacher.d*", "--device", "cpu")
    assert (refused.exit_code, refused.stdout) == (10, "")
    assert "no draws of 'teacher' in the workspace" in refused.stderr and not (ws / "runs" / "student-plain2").exists()
