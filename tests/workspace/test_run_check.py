"""Runs held to their digests: what changes one file of a finished or a begun run, and who notices."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path

import pytest
from hostile_runs.places import PLACES
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from support.tiny_chain import Lines, add_module, content, dump, run, train, workspace

from dgkd_cache.errors import Damaged, DgkdError, Interrupted, Mismatch, UnsafeStore
from dgkd_cache.progress import Silent
from dgkd_cache.workspace import run_check
from dgkd_cache.workspace.listing import list_runs
from dgkd_cache.workspace.run_check import check_run
from dgkd_cache.workspace.tasks import evaluate_model
from dgkd_cache.workspace.workspace import Workspace

COVERED = ["card.json", "inputs.json", "metrics.jsonl", "weights.safetensors"]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished chain of a teacher and a student."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("two")
        add_module(folder, patch)
        ws = workspace(folder / "ws", chain='teacher = "plain2"\nstudent = "plain2"')
        run(ws)
        return ws


@pytest.fixture
def ws(two: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(two.folder, tmp_path / "ws", symlinks=True)
    return Workspace(tmp_path / "ws", two.config)


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edited(path: Path) -> None:
    """A file as a person would edit it: still sound JSON."""
    path.write_text(path.read_text().replace("0", "1", 1))


CHANGES = {"flip": 12, "sparse": 12, "brackets": 12, "link": 15, "fifo": 15, "folder": 15}
"""The fate of a file, and the exit code of whoever reads it."""


def change_file(path: Path, change: str) -> None:
    """Change a file of a run; what a link points at lies in the workspace's folder."""
    if change == "flip":
        flip(path)
    else:
        PLACES[change](path, path.parents[2])


def states(ws: Workspace) -> dict[str, str]:
    return {run.name: run.state for run in list_runs(ws)}


def test_a_finished_run_is_whole(ws: Workspace) -> None:
    for name in ws.chain:
        check = check_run(ws.run_folder(name))
        assert (check.state, check.verified, check.problems, check.why) == ("done", True, (), "")
    assert states(ws) == {"teacher": "done", "student": "done"}


@pytest.mark.parametrize("name", COVERED)
@pytest.mark.parametrize(("change", "code"), CHANGES.items())
def test_every_file_of_a_finished_run_is_covered(ws: Workspace, name: str, change: str, code: int) -> None:
    before = content(ws.folder, without="student")
    change_file(ws.run_folder("student") / name, change)
    check = check_run(ws.run_folder("student"))
    assert check.problems[0].exit_code == code
    assert check.state == ("damaged" if code == 12 else "refused") and name in check.why
    for refused in (lambda: run(ws), lambda: train(ws, "student", **of_student(ws))):
        with pytest.raises(DgkdError, match=name) as caught:
            refused()
        assert caught.value.exit_code == code
    # By its size alone `ls` cannot tell a flipped bit.
    seen = "done" if change == "flip" and name in ("weights.safetensors", "metrics.jsonl") else check.state
    assert states(ws) == {"teacher": "done", "student": seen}
    assert content(ws.folder, without="student") == before


def of_student(ws: Workspace) -> dict[str, object]:
    return {"training": ws.config.training_for("student"), "guides": [ws.store_path("teacher")]}


@pytest.mark.parametrize("name", ["inputs.json", "metrics.jsonl", "weights.safetensors"])
def test_a_file_that_is_gone_is_damage(ws: Workspace, name: str) -> None:
    (ws.run_folder("teacher") / name).unlink()
    assert states(ws) == {"teacher": "damaged", "student": "done"}
    with pytest.raises(Damaged, match=f"{name} cannot be read: .*found no such file") as caught:
        run(ws)
    assert caught.value.exit_code == 12


@pytest.mark.parametrize("name", COVERED)
def test_the_hints_of_run_work(ws: Workspace, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each of the two commands that it names ends in the chain as it was."""
    monkeypatch.chdir(ws.folder)
    before = content(ws.folder)
    flip(ws.run_folder("teacher") / name)
    with pytest.raises(Damaged) as caught:
        run(ws)
    assert "`dgkd-cache train --model teacher --fresh` sets it aside and trains it again" in str(caught.value)
    assert "`dgkd-cache run --remake` does both" in str(caught.value)
    copy = Workspace(ws.folder.parent / "copy", ws.config)
    shutil.copytree(ws.folder, copy.folder)
    lines = Lines()
    assert {row.state for row in run(ws, remake=True, progress=lines)} == {"done"}
    assert lines.lines[0].startswith("teacher is damaged") and (ws.folder / "aside" / "teacher-1" / "teacher").is_dir()
    train(copy, "teacher", training=copy.config.training_for("teacher"), fresh=True)
    assert {row.state for row in run(copy)} == {"done"}
    assert content(ws.folder) == content(copy.folder) == before, "the student is not trained again"


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_whoever_needs_the_model_refuses_it(ws: Workspace, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(ws.folder)
    edited(ws.run_folder("teacher") / name) if name == "card.json" else flip(ws.run_folder("teacher") / name)
    shutil.rmtree(ws.store_path("teacher"))
    for needing in (
        lambda: dump(ws, "teacher"),
        lambda: evaluate_model(ws, model="teacher", split="test", device="cpu", progress=Silent()),
        lambda: train(ws, "live", live=[ws.run_folder("teacher")]),
    ):
        with pytest.raises(Damaged, match="`dgkd-cache train --model teacher --fresh`") as caught:
            needing()
        assert caught.value.exit_code == 12


def test_files_of_anyone_else_do_no_harm(ws: Workspace) -> None:
    folder = ws.run_folder("teacher")
    (folder / "events.out.tfevents.1").write_bytes(b"\x00" * 100)
    (folder / "notes").mkdir()
    (folder / "link").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    assert check_run(folder).problems == ()
    assert {row.state for row in run(ws)} == {"done"} and states(ws)["teacher"] == "done"
    assert (folder / "events.out.tfevents.1").exists()


@pytest.fixture
def begun(ws: Workspace) -> Path:
    """The folder of a run that was stopped in its second epoch, its best epoch kept."""
    with pytest.raises(Interrupted):
        train_begun(ws, stop_after=4)
    folder = ws.run_folder("begun")
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.safetensors", "inputs.json", "metrics.jsonl"]
    return folder


def train_begun(ws: Workspace, *, stop_after: int | None = None, **more: object) -> object:
    calls = itertools.count(1)
    return train(ws, "begun", guides=[ws.store_path("teacher")], stop=lambda: next(calls) == stop_after, **more)


def test_a_begun_run_is_no_damage(ws: Workspace, begun: Path) -> None:
    check = check_run(begun)
    assert (check.state, check.why, [problem.exit_code for problem in check.problems]) == ("begun", "", [3])
    metrics = begun / "metrics.jsonl"
    metrics.write_text(metrics.read_text() + '{"epoch": 1, "of": "a kill before the next checkpoint"}\n')
    assert check_run(begun).state == "begun"
    train_begun(ws)
    assert check_run(begun).state == "done" and "a kill" not in metrics.read_text()


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "inputs.json", "metrics.jsonl"])
@pytest.mark.parametrize(("change", "code"), CHANGES.items())
def test_every_file_of_a_begun_run_is_covered(ws: Workspace, begun: Path, name: str, change: str, code: int) -> None:
    if change == "flip" and name in ("inputs.json", "metrics.jsonl"):
        edited(begun / name)
    else:
        change_file(begun / name, change)
    check = check_run(begun)
    assert code in [problem.exit_code for problem in check.problems]
    assert check.state == ("damaged" if code == 12 else "refused")
    with pytest.raises(DgkdError, match=name) as caught:
        train_begun(ws)
    assert caught.value.exit_code == code
    assert ("--fresh" in str(caught.value)) == (code == 12)
    train_begun(ws, fresh=True)  # the hint
    assert check_run(begun).state == "done" and (ws.folder / "aside" / "begun-1" / "begun" / name).exists()


@pytest.mark.parametrize("name", ["inputs.json", "metrics.jsonl"])
def test_a_checkpoint_without_what_belongs_to_it_is_refused(ws: Workspace, begun: Path, name: str) -> None:
    (begun / name).unlink()
    with pytest.raises(Damaged, match=f"{name}.*--fresh") as caught:
        train_begun(ws)
    assert caught.value.exit_code == 12
    assert not (begun / "card.json").exists() and not (begun / "inputs.json").exists() or name == "metrics.jsonl"


def test_a_checkpoint_with_another_step_is_refused(ws: Workspace, begun: Path) -> None:
    path = begun / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["dgkd"])["record"]["step"] == 4
    text = metadata["dgkd"].replace('"step": 4', '"step": 5')
    save_file(load_file(path), path, metadata=metadata | {"dgkd": text})
    with pytest.raises(Damaged, match="has changed since it was written"):
        train_begun(ws)


def test_changed_settings_are_still_told_as_that(ws: Workspace, begun: Path) -> None:
    other = ws.config.training.model_copy(update={"lr": 0.01})
    with pytest.raises(Mismatch, match="begun.*training.lr was 0.1, is 0.01.*--fresh") as caught:
        train_begun(ws, training=other)
    assert caught.value.exit_code == 13


def test_a_begun_model_of_the_chain_is_checked_before_anything_is_trained(ws: Workspace) -> None:
    shutil.rmtree(ws.run_folder("student"))
    with pytest.raises(Interrupted):
        run(ws, stop=lambda: True)
    edited(ws.run_folder("student") / "inputs.json")
    with pytest.raises(Damaged, match="inputs.json has changed since the run was begun.*run --remake"):
        run(ws)
    assert {row.state for row in run(ws, remake=True)} == {"done"}


def test_the_best_epoch_is_covered(ws: Workspace) -> None:
    held = workspace(ws.folder / "held", chain='teacher = "plain2"', dataset__validation=16, training__select="best")
    calls, recipe = itertools.count(1), held.config.training_for("teacher")
    with pytest.raises(Interrupted):
        train(held, "teacher", training=recipe, stop=lambda: next(calls) == 4)
    (best,) = held.run_folder("teacher").glob("best-*.safetensors")
    flip(best)
    for refused in (lambda: run(held), lambda: train(held, "teacher", training=recipe)):
        with pytest.raises(Damaged, match="best-0.safetensors has changed"):
            refused()


def test_foreign_things_stop_nobody(ws: Workspace) -> None:
    runs = ws.folder / "runs"
    (runs / "Not a Run").mkdir()
    (runs / "file.txt").write_text("")
    (runs / "gone").symlink_to("nowhere")
    (runs / "empty").mkdir()
    (runs / "elsewhere").symlink_to("/")
    (runs / "broken").mkdir()
    (runs / "broken" / "card.json").write_bytes(b"\xff")
    (runs / "tree").mkdir()
    (runs / "tree" / "card.json").mkdir()
    os.mkfifo(runs / "pipe")
    found = {Path(name).name: state for name, state in states(ws).items()}
    assert found == {
        "teacher": "done",
        "student": "done",
        "empty": "unknown",
        "elsewhere": "unknown",
        "broken": "damaged",
        "tree": "refused",
        "Not a Run": "unknown",
        "file.txt": "unknown",
        "gone": "unknown",
        "pipe": "unknown",
    }
    assert all(run.why for run in list_runs(ws) if run.state not in ("done", "begun"))
    assert {row.state for row in run(ws)} == {"done"}
    assert dump(ws, "teacher").seal


def test_a_run_that_may_not_be_read_is_not_called_damaged(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def denied(path: object, *arguments: int, **more: object) -> int:
        if str(path).endswith("student/card.json"):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied)
        assert states(ws) == {"teacher": "done", "student": "refused"}
        with pytest.raises(DgkdError, match="ermission") as caught:
            run(ws)
        assert caught.value.exit_code == 1 and not isinstance(caught.value, Damaged | UnsafeStore)


def test_what_a_process_that_trains_removes_meanwhile_is_no_damage(
    ws: Workspace, begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It replaces the weights of its best epoch, and ends: `ls` beside it sees one moment or the other."""
    (begun / "best-0.safetensors").write_bytes(b"any")

    def replaced(path: Path, *, full: bool) -> None:
        (begun / "best-0.safetensors").unlink(missing_ok=True)
        really(path, full=full)

    really = run_check.check_checkpoint
    monkeypatch.setattr(run_check, "check_checkpoint", replaced)
    assert check_run(begun).state == "begun"

    def ended(path: Path, *, full: bool) -> None:
        monkeypatch.setattr(run_check, "check_checkpoint", really)
        train_begun(ws)
        raise Damaged(f"{path} is gone")

    monkeypatch.setattr(run_check, "check_checkpoint", ended)
    assert check_run(begun).state == "begun", "as it was when the look began"


@pytest.mark.parametrize(("old", "new"), [('"version": 1', '"version": 3'), ('"format": "dgkd', '"format": "dgke')])
def test_a_flipped_bit_of_a_cards_version_is_damage_that_a_remake_mends(ws: Workspace, old: str, new: str) -> None:
    before = content(ws.folder)
    path = ws.run_folder("teacher") / "card.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(Damaged, match="run --remake"):
        run(ws)
    run(ws, remake=True)
    assert content(ws.folder) == before
