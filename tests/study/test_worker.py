"""Workers: what a stopped one leaves is gone on with; a held run is left to its holder. Kills: `test_kills.py`."""

from __future__ import annotations

import functools
import itertools
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from support.holder import FAR, disguise
from support.tiny_chain import Lines

from dgkd_cache.device.environment import describe
from dgkd_cache.errors import Interrupted, Mismatch
from dgkd_cache.progress import Silent
from dgkd_cache.study import making
from dgkd_cache.study.records import record_path
from dgkd_cache.study.study import Study, run_study, set_up_study
from dgkd_cache.study.worker import missing, work_on
from dgkd_cache.workspace.run_lock import run_lock
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores.disk import LeaseWatch


def study_of(ws: Workspace) -> Study:
    return set_up_study(ws, methods=["scratch", "kd", "dgkd+drop"], seeds=range(2))


def results(study: Study, **settings: object) -> bytes:
    run_study(study, device="cpu", **{"progress": Silent(), "stop": lambda: False, **settings})
    return (study.folder / "results.json").read_bytes()


def test_a_worker_that_is_stopped_after_every_few_steps_leaves_the_same_results(ws: Workspace, tmp_path: Path) -> None:
    whole = results(study_of(ws))

    stopped = Workspace(tmp_path / "stopped", ws.config)
    for limit in itertools.count(3):
        calls = itertools.count()
        try:
            again = results(study_of(stopped), stop=lambda calls=calls, limit=limit: next(calls) >= limit)
            break
        except Interrupted:
            continue
    assert limit > 6 and again == whole


def test_nothing_is_made_twice(ws: Workspace) -> None:
    first = results(study_of(ws))
    files = {path: path.stat().st_mtime_ns for path in (ws.folder / "compare").rglob("*") if path.is_file()}
    more = set_up_study(ws, methods=["scratch", "kd", "dgkd+drop", "takd"], seeds=range(2))
    left = missing(more.plan)
    assert {one.model for one in left if hasattr(one, "model")} == {"ta1", "student"}
    assert len(left) == 1 + 1 + 2, "takd's assistant, its store, and two students"
    results(more)
    assert json.loads(first)["runs"].items() <= json.loads(results(more))["runs"].items()
    changed = {path.name for path, at in files.items() if path.stat().st_mtime_ns != at}
    assert changed == {"results.json", "study.json", "timings.json", ".dumped"}


def test_a_study_goes_on_from_its_records(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has them alone, only a guide of whom is missing is trained again; a machine of another kind
    refuses that."""
    whole = results(study_of(ws))
    there = study_of(ws)
    elsewhere = study_of(Workspace(tmp_path / "elsewhere", ws.config))
    shutil.copytree(there.folder / "records", elsewhere.folder / "records")
    assert missing(elsewhere.plan) == []
    assert results(elsewhere) == whole
    assert not (elsewhere.folder / "runs").exists()

    lost = next(run for (name, _), run in elsewhere.plan.students.items() if name == "kd")
    record_path(lost).unlink()
    teacher, store, again = missing(elsewhere.plan)
    assert (teacher.model, store.run, again) == ("teacher", teacher, lost)
    with monkeypatch.context() as patch, pytest.raises(Mismatch, match="torch 9.9.9"):
        patch.setattr(making, "describe", lambda *of: describe(*of) | {"torch": "9.9.9"})
        results(elsewhere)
    assert not teacher.path.exists()
    assert results(elsewhere) == whole
    assert {path.name for path in (elsewhere.folder / "runs").iterdir()} == {teacher.name, lost.name}


def test_a_run_that_another_works_on_is_waited_for(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgkd_cache.study.worker._WAIT", 0)
    plan = study_of(ws).plan
    teacher = next(one for one in plan.work if getattr(one, "model", "") == "teacher")
    lines, looks = Lines(), itertools.count()
    with (
        run_lock(teacher.workspace.run_folder(teacher.name), teacher.name),
        pytest.raises(Interrupted, match="the study was stopped"),
    ):
        work_on(
            plan,
            device="cpu",
            progress=lines,
            stop=lambda: any("waiting" in line for line in lines.lines) and next(looks) == 3,
        )
    students = [one for one in missing(plan) if getattr(one, "model", "") == "student"]
    assert all(one.guides for one in students) and students, "what needs no teacher was made"
    assert [line for line in lines.lines if line.startswith("waiting for")] == [
        f"waiting for process {os.getpid()} on host {os.uname().nodename}: "
        f"another process works on the run {teacher.name}"
    ]
    told = [line for line in lines.lines if f"{teacher.name}: teacher of" in line or line.endswith("are left")]
    assert len(told) == len({*told}) > 2, "each is told once, not at every look"
    work_on(plan, device="cpu", progress=Silent(), stop=lambda: False)
    assert not missing(plan)


class Paused(Silent):
    """A worker that stops itself at one moment of its work, as one that is on another host."""

    def __init__(self, ws: Workspace, moment: str) -> None:
        self.ws, self.moment, self.steps = ws, moment, 0

    def start(self, what: str, **settings: object) -> None:
        if self.moment == "record" and what.startswith("measure"):
            self.pause()

    def stop(self) -> bool:
        """Called after each step, three of which are an epoch; a checkpoint comes with every second."""
        self.steps += 1
        if self.steps == {"checkpoint": 2, "metrics": 5}.get(self.moment):
            self.pause()
        if self.moment == "rows" and list(self.ws.folder.glob("compare/guides/*.writing/*/*/lease")):
            self.pause()
        return False

    def pause(self) -> None:
        (lock,) = self.ws.folder.glob("compare/*/*.writing/*")
        disguise(lock, **FAR)
        self.moment = ""
        os.kill(os.getpid(), signal.SIGSTOP)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of each file: the same bytes may be written again."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("moment", ["checkpoint", "metrics", "record", "rows"])
def test_a_worker_elsewhere_is_taken_over_by_its_lease_and_writes_no_more(
    ws: Workspace, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only was paused: when it wakes, the other host has gone on from its checkpoint to the end."""
    plan, paused = study_of(ws).plan, Paused(ws, moment)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work_on(plan, device="cpu", progress=paused, stop=paused.stop)
            status = 0
        finally:
            os._exit(status)
    try:
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        monkeypatch.setattr("dgkd_cache.study.worker.LeaseWatch", functools.partial(LeaseWatch, patience=0))
        monkeypatch.setattr("dgkd_cache.study.worker._WAIT", 0)
        lines = Lines()
        work_on(plan, device="cpu", progress=lines, stop=lambda: False)
        said = [line for line in lines.lines if "far-away" in line]
        assert len(said) == 2 and said[0].startswith("waiting for process 1 on host far-away: ")
        assert said[1] == "process 1 on host far-away no longer renews its lease: what it worked on is taken over"
        before = snapshot(ws.folder / "compare")
        assert not missing(plan)
    finally:
        os.kill(pid, signal.SIGCONT)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0 and snapshot(ws.folder / "compare") == before
