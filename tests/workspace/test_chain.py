"""The chain runner end to end on tiny data: what it makes, skips, refuses, sets aside and resumes."""

from __future__ import annotations

import errno
import itertools
import json
import os
from pathlib import Path

import pytest
from support.tiny_chain import Lines, content, run, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Interrupted, InvalidInput, Mismatch, NoSpace, UnknownName
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.chain import chain_rows
from dgkd_stores import GuideStore


def test_a_chain_of_three(done) -> None:
    ws, rows = done
    assert [(r.model, r.architecture, r.guides, r.state) for r in rows] == [
        ("teacher", "resnet14", (), "done"),
        ("ta1", "plain2", ("teacher",), "done"),
        ("student", "resnet8", ("teacher", "ta1"), "done"),
    ]
    assert all(0 <= float(row.accuracy) <= 1 and row.train_seconds > 0 for row in rows)
    assert [row.cache_bytes is not None for row in rows] == [True, True, False]
    assert not ws.store_path("student").exists()
    for row in rows[:2]:
        size = sum(p.stat().st_size for p in ws.store_path(row.model).rglob("*") if p.is_file())
        assert row.cache_bytes == size


def test_lineage_is_recorded(done) -> None:
    ws, _ = done
    with GuideStore.open(ws.store_path("teacher")) as teacher, GuideStore.open(ws.store_path("ta1")) as ta1:
        assert dict(ta1.header.guide.guides) == {"teacher": teacher.seal}
        assert load_card(ws.run_folder("student")).guides == {"teacher": teacher.seal, "ta1": ta1.seal}
        assert teacher.header.guide.accuracy == load_card(ws.run_folder("teacher")).accuracy["test"]
        assert json.loads(ta1.header.guide.training["views"])["count"] == 2
        assert teacher.header.guide.training["method"] == "scratch"
        assert ta1.header.guide.training["method"] == "dgkd"


def test_recipes_by_model(done) -> None:
    ws, _ = done
    epochs = {name: len((ws.run_folder(name) / "metrics.jsonl").read_text().splitlines()) for name in ws.chain}
    assert epochs == {"teacher": 3, "ta1": 2, "student": 2}


def test_a_second_run_does_nothing(done) -> None:
    ws, rows = done
    before = {p: p.stat().st_mtime_ns for p in ws.folder.rglob("*")}
    progress = Lines()
    assert run(ws, progress=progress) == rows
    assert {p: p.stat().st_mtime_ns for p in ws.folder.rglob("*")} == before
    assert progress.lines == [f"{name} is done and up to date" for name in ws.chain]


def test_the_same_commands_give_the_same_bytes(done, tmp_path: Path) -> None:
    other = workspace(tmp_path / "other")
    run(other)
    assert content(other.folder) == content(done[0].folder)


def test_stopped_again_and_again_it_ends_in_the_same_bytes(done, tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")
    stops = 0
    while True:
        calls = itertools.count(1)
        try:
            run(ws, stop=lambda calls=calls: next(calls) == 4)
            break
        except Interrupted as stop:
            assert stop.exit_code == 130 and "run the same command again" in str(stop)
            stops += 1
            assert stops < 50
    assert stops >= 5
    assert content(ws.folder) == content(done[0].folder)
    assert not list(ws.folder.rglob("*.partial")) and not list(ws.folder.rglob("checkpoint*"))


def test_a_disk_that_is_full_again_and_again(done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write in turn meets a full disk: exit 14 each time, and the chain ends in the same bytes all the same."""
    ws = workspace(tmp_path / "ws")
    write, left = os.write, 0

    def filling(handle: int, data: bytes) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    full = 0
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", filling)
        for room in range(3, 400):
            left = room
            try:
                run(ws)
                break
            except NoSpace as error:
                assert error.exit_code == 14
                full += 1
    assert full > 8
    assert content(ws.folder) == content(done[0].folder)
    assert not list(ws.folder.rglob("*.partial"))


def test_a_changed_setting_is_stale_and_named_and_nothing_is_lost(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")
    run(ws)
    before = content(ws.folder)
    changed = ws.with_config(with_overrides(ws.config, {"distillation.keep": 0.5}))
    states = {row.model: (row.state, row.why) for row in chain_rows(changed)}
    assert states["teacher"] == ("done", "")
    assert states["ta1"] == ("stale", "distillation.keep was 0.75, is 0.5")
    with pytest.raises(Mismatch, match="ta1 is stale.*keep was 0.75, is 0.5.*run --remake") as caught:
        run(changed)
    assert caught.value.exit_code == 13
    assert content(ws.folder) == before
    rows = run(changed, remake=True)
    assert {row.state for row in rows} == {"done"}
    after = content(ws.folder)
    assert after["runs/teacher/weights.safetensors"] == before["runs/teacher/weights.safetensors"]
    assert after["runs/ta1/weights.safetensors"] != before["runs/ta1/weights.safetensors"]
    aside = ws.folder / "aside" / "ta1-1"
    assert (aside / "ta1" / "weights.safetensors").read_bytes() == before["runs/ta1/weights.safetensors"]
    assert (aside / "ta1.zarr" / "zarr.json").is_file()
    assert (ws.folder / "aside" / "student-1").is_dir()  # its guide changed


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("encoding", "float32", 'the store\'s encoding was "float16", is "float32"'),
        ("temperature", 2.0, "the store's temperature was 4, is 2"),
        ("precision", "bf16", 'the store\'s precision was "float32", is "bf16"'),
        ("batch_size", 16, "the store's batch_size was 32, is 16"),
        ("licence", "CC0", 'the store\'s licence was "", is "CC0"'),
    ],
)
def test_a_changed_store_setting_makes_the_store_stale(done, setting: str, value: object, why: str) -> None:
    ws, _ = done
    changed = ws.with_config(with_overrides(ws.config, {f"cache.{setting}": value}))
    assert {row.model: row.why for row in chain_rows(changed, device="cpu")}["teacher"] == why


def test_a_stale_store_is_dumped_again_without_retraining(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain2"\nstudent = "plain2"', training__epochs=1)
    run(ws)
    weights = ws.run_folder("teacher") / "weights.safetensors"
    before, trained = content(ws.folder), weights.stat().st_mtime_ns
    changed = ws.with_config(with_overrides(ws.config, {"cache.encoding": "float32"}))
    with pytest.raises(
        Mismatch, match='the store of teacher is stale.*encoding was "float16", is "float32".*run --remake'
    ):
        run(changed)
    assert content(ws.folder) == before
    progress = Lines()
    rows = run(changed, remake=True, progress=progress)
    assert {row.state for row in rows} == {"done"}
    assert weights.stat().st_mtime_ns == trained
    aside = ws.folder / "aside" / "teacher-1"
    assert {path.name for path in aside.iterdir()} == {"teacher.zarr", "dump_seconds.txt"}
    assert (aside / "teacher.zarr" / "zarr.json").read_bytes() == before["guides/teacher.zarr/zarr.json"]
    with GuideStore.open(ws.store_path("teacher")) as store:
        assert store.header.encoding == "float32"
        assert load_card(ws.run_folder("student")).guides == {"teacher": store.seal}
    assert (ws.folder / "aside" / "student-1" / "student" / "card.json").is_file()  # its guide's seal changed
    assert any(line.startswith("the store of teacher is stale") for line in progress.lines)


def test_seven_assistants(tmp_path: Path) -> None:
    names = ["teacher", *(f"ta{i}" for i in range(1, 8)), "student"]
    ws = workspace(tmp_path / "ws", chain="\n".join(f'{name} = "plain2"' for name in names), training__epochs=1)
    rows = run(ws)
    assert [len(row.guides) for row in rows] == list(range(9))
    assert set(load_card(ws.run_folder("student")).guides) == set(names[:-1])


@pytest.mark.parametrize(
    ("method", "guides"),
    [("scratch", [(), ()]), ("kd", [("teacher",), ("teacher",)]), ("takd", [("teacher",), ("ta1",)])],
)
def test_methods(tmp_path: Path, method: str, guides: list) -> None:
    ws = workspace(tmp_path / "ws", distillation__method=method, training__epochs=1)
    rows = run(ws)
    assert [row.guides for row in rows[1:]] == guides
    needed = {guide for row in rows for guide in row.guides}
    assert {path.stem for path in (ws.folder / "guides").glob("*.zarr")} == needed


def test_a_misspelt_architecture_is_noticed_before_any_training(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "resnet14"\nstudent = "resnet9"')
    with pytest.raises(UnknownName, match="resnet8"):
        run(ws)
    assert not (ws.folder / "runs").exists()


@pytest.mark.parametrize(
    ("student", "settings", "message"),
    [
        ("tiny_bars:three", {}, "tiny_bars:three made no model"),
        ("vgg8", {"views__transforms": ["resized-crop(2)"]}, "too small for vgg8.*found 2x2"),
        ("plain2", {"training__student": {"views": "fresh"}}, 'student cannot train on fresh views.*found "fresh"'),
    ],
)
def test_what_the_student_cannot_be_is_noticed_before_any_training(
    tmp_path: Path, student: str, settings: dict, message: str
) -> None:
    ws = workspace(tmp_path / "ws", chain=f'teacher = "plain2"\nstudent = "{student}"', **settings)
    with pytest.raises(InvalidInput, match=message) as refused:
        run(ws)
    assert refused.value.exit_code == 2
    assert not (ws.folder / "runs").exists()


def test_a_finished_student_that_is_to_be_another_is_checked_again(done) -> None:
    ws, _ = done
    changed = with_overrides(ws.config, {"chain.student": "tiny_bars:three", "chain.teacher": "plain2"})
    with pytest.raises(InvalidInput, match="made no model"):
        run(ws.with_config(changed), remake=True)
    assert not (ws.folder / "aside").exists()
