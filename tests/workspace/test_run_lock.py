"""The lock of a run: another process is kept out and named, a dead one taken over, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tiny_chain import train, workspace

from dgkd_cache.errors import Locked, UnsafeStore
from dgkd_cache.paths import RUN_FILES
from dgkd_cache.workspace.run_lock import run_lock

HOLD = """
import sys, time
from pathlib import Path
from dgkd_cache.workspace.run_lock import run_lock
with run_lock(Path(sys.argv[1]), "ta1"):
    print("held", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "ta1"


@pytest.fixture
def holder(run: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the run."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_keeps_another_process_out_and_names_it(run: Path, holder: subprocess.Popen[bytes]) -> None:
    assert not run.exists(), "a locked run is not a begun one"
    for take_over in (False, True):
        with pytest.raises(Locked, match=f"found process {holder.pid} on host") as refused:
            with run_lock(run, "ta1", take_over=take_over):
                pass
        assert refused.value.exit_code == 11 and "--take-over" not in refused.value.do


def test_refuses_with_what_to_do(run: Path) -> None:
    run.mkdir(parents=True)
    with run_lock(run, "ta1"):
        with pytest.raises(Locked, match="the run ta1.*process [0-9]+ on .*wait until it is done") as refused:
            with run_lock(run, "ta1"):
                pass
    assert refused.value.exit_code == 11
    with run_lock(run, "ta1"):
        pass
    assert list(run.parent.iterdir()) == [run]


def test_a_dead_holder_is_taken_over_with_what_it_left(run: Path, holder: subprocess.Popen[bytes]) -> None:
    run.mkdir()
    mine = {"notes.partial", "events.out"}
    left = f"checkpoint.safetensors.{'0f' * 16}.partial"
    for name in [*mine, left]:
        (run / name).write_text("half")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert os.listdir(run.parent / "ta1.writing") == ["run"]
    with run_lock(run, "ta1"):
        assert set(os.listdir(run)) == mine
    assert list(run.parent.iterdir()) == [run]


def test_a_holder_elsewhere_is_taken_over_when_told_so_and_notices(run: Path) -> None:
    with run_lock(run, "ta1") as lock:
        place = run.parent / "ta1.writing" / "run" / "owner.json"
        place.write_text(json.dumps({**json.loads(place.read_bytes()), "host": "far-away"}))
        with pytest.raises(Locked, match="found process [0-9]+ on host far-away.*same command with `--take-over`"):
            with run_lock(run, "ta1"):
                pass
        lock.check()
        with run_lock(run, "ta1", take_over=True) as second:
            with pytest.raises(Locked, match="the run ta1 was taken over.*found that of process") as lost:
                lock.check()
            assert lost.value.exit_code == 11
            lock.release()
            second.check()
    assert list(run.parent.iterdir()) == []


def test_a_training_that_was_taken_over_writes_no_more(tmp_path: Path, tiny_bars: None) -> None:
    ws, steps = workspace(tmp_path / "ws"), []
    place = ws.folder / "runs" / "ta1.writing" / "run"

    def stop() -> bool:
        steps.append(sorted(os.listdir(ws.run_folder("ta1"))))
        if len(steps) == 2:  # as `--take-over` elsewhere has it
            place.rename(place.with_name("gone-" + "1" * 32))
        return False

    with pytest.raises(Locked, match="the run ta1 was taken over.*found none"):
        train(ws, "ta1", stop=stop)
    assert len(steps) == 2
    assert not {"card.json", "weights.safetensors"} & set(os.listdir(ws.run_folder("ta1")))


@pytest.mark.parametrize("kind", ["file", "link", "pipe"])
def test_a_lock_file_of_an_earlier_version_is_no_lock_and_is_left(run: Path, kind: str) -> None:
    run.parent.mkdir()
    stray, other = run.parent / "ta1.lock", run.parent.parent / "thesis.tex"
    other.write_text("precious")
    if kind == "file":
        stray.write_text("process 1 on elsewhere\n")
    else:
        stray.symlink_to(other) if kind == "link" else os.mkfifo(stray)
    before = os.lstat(stray)
    with run_lock(run, "ta1"):
        pass
    assert os.lstat(stray)[:7] == before[:7] and other.read_text() == "precious"
    assert list(run.parent.iterdir()) == [stray]


@pytest.mark.parametrize("place", ["ta1", "ta1.writing"])
@pytest.mark.parametrize("kind", ["link", "link to nowhere", "file", "pipe"])
def test_what_is_no_folder_is_refused_and_left(run: Path, place: str, kind: str) -> None:
    run.parent.mkdir()
    there, other = run.parent / place, run.parent.parent / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    if kind.startswith("link"):
        there.symlink_to("nowhere" if "nowhere" in kind else other)
    else:
        there.write_text("mine") if kind == "file" else os.mkfifo(there)
    found = "a link" if "link" in kind else "another kind of file"
    with pytest.raises(
        UnsafeStore, match=f"is in the way of .*: expected a folder, or nothing, found {found}"
    ) as refused:
        with run_lock(run, "ta1", take_over=True):
            pytest.fail("the run was held")
    assert refused.value.exit_code == 15
    assert os.listdir(run.parent) == [place] and os.listdir(other) == ["thesis.tex"]


@pytest.mark.parametrize("name", [pattern.replace("*", "3") for pattern in RUN_FILES])
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_no_file_of_a_run_is_written_through_a_link(tmp_path: Path, tiny_bars: None, name: str, kind: str) -> None:
    ws, other = workspace(tmp_path / "ws"), tmp_path / "thesis.tex"
    other.write_text("precious")
    there = ws.run_folder("ta1") / name
    there.parent.mkdir(parents=True)
    if kind == "link":
        there.symlink_to(other)
    else:
        there.mkdir() if kind == "folder" else os.mkfifo(there)
    before = os.lstat(there)
    with pytest.raises(UnsafeStore, match="a regular file, or nothing, found|no plain file") as refused:
        train(ws, "ta1")
    assert refused.value.exit_code == 15
    assert os.lstat(there)[:4] == before[:4] and other.read_text() == "precious"
    assert os.listdir(there.parent) == [name] and os.listdir(there.parent.parent) == ["ta1"]


def test_the_other_name_of_a_file_of_a_run_keeps_its_content(tmp_path: Path, tiny_bars: None) -> None:
    """A copy as `cp -al` makes it: a training that goes on replaces names."""
    ws, copy = workspace(tmp_path / "ws"), tmp_path / "copy"
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 4

    with pytest.raises(Exception, match="was stopped"):
        train(ws, "ta1", stop=stop)
    copy.mkdir()
    for path in ws.run_folder("ta1").iterdir():
        os.link(path, copy / path.name)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert {"inputs.json", "metrics.jsonl", "checkpoint.safetensors"} <= set(before)
    train(ws, "ta1")
    assert (ws.run_folder("ta1") / "card.json").exists()
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
