"""The chain runner end to end on tiny data: what it makes, skips, refuses, sets aside and resumes."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from dgkd_cache.datasets.split import split_samples
from dgkd_cache.errors import DgkdError, Interrupted, InvalidInput, Mismatch, UnknownName
from dgkd_cache.models.card import load_card
from dgkd_cache.progress import Silent
from dgkd_cache.run_random import RunRandom
from dgkd_cache.workspace.chain import ChainRow, chain_rows, run_chain
from dgkd_cache.workspace.config import with_overrides
from dgkd_cache.workspace.jobs import dump_guide, dump_seconds, evaluate_model, train_model
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

MODULE = """
import numpy as np

def bars():
    def split(samples, seed):
        random = np.random.Generator(np.random.PCG64(seed))
        labels = random.integers(0, 4, samples)
        pixels = random.integers(0, 100, (samples, 1, 8, 8), dtype=np.uint8)
        for image, label in zip(pixels, labels):
            image[:, label * 2 : label * 2 + 2] += 120
        return pixels, labels, ["ant", "bee", "cow", "dog"]
    return split(96, 1), split(40, 2)

def three(**settings):
    return 3
"""

CONFIG = """
[dataset]
name = "tiny_bars:bars"
[views]
transforms = ["crop(1)", "hflip"]
count = 2
[cache]
batch_size = 32
precision = "float32"
[chain]
{chain}
[training]
epochs = 2
batch_size = 32
precision = "float32"
checkpoint_steps = 2
[training.teacher]
epochs = 3
"""

THREE = 'teacher = "resnet14"\nta1 = "plain2"\nstudent = "resnet8"'


@pytest.fixture(autouse=True)
def tiny_bars(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("module")
    (folder / "tiny_bars.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))


def workspace(folder: Path, *, chain: str = THREE, **settings: object) -> Workspace:
    ws = Workspace.init(folder, CONFIG.format(chain=chain))
    keys = {key.replace("__", "."): value for key, value in settings.items()}
    return ws.with_config(with_overrides(ws.config, keys)) if keys else ws


def run(ws: Workspace, *, remake: bool = False, stop=lambda: False, progress=None) -> list[ChainRow]:
    return run_chain(ws, device="cpu", remake=remake, progress=progress or Silent(), stop=stop)


def content(folder: Path) -> dict[str, bytes]:
    """Weights and stores; cards and metrics hold times."""
    kept = [*folder.glob("runs/*/weights.safetensors"), *folder.glob("guides/**/*")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(kept) if p.is_file()}


class Lines(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory):
    """A finished chain; tests that change it copy its folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("done_module")
        (folder / "tiny_bars.py").write_text(MODULE)
        patch.syspath_prepend(str(folder))
        ws = workspace(tmp_path_factory.mktemp("done") / "ws")
        return ws, run(ws)


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
    assert progress.lines == [f"{name} is done and valid" for name in ws.chain]


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


def test_a_changed_setting_is_stale_and_named_and_nothing_is_lost(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")
    run(ws)
    before = content(ws.folder)
    changed = ws.with_config(with_overrides(ws.config, {"distillation.keep": 0.5}))
    states = {row.model: (row.state, row.why) for row in chain_rows(changed)}
    assert states["teacher"] == ("done", "")
    assert states["ta1"] == ("stale", "distillation.keep: 0.75 -> 0.5")
    with pytest.raises(Mismatch, match="ta1 is stale.*keep: 0.75 -> 0.5.*run --remake") as caught:
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
        ("encoding", "float32", "the store's encoding: float16 -> float32"),
        ("temperature", 2.0, "the store's temperature: 4 -> 2"),
        ("precision", "bf16", "the store's precision: float32 -> bf16"),
        ("batch_size", 16, "the store's batch_size: 32 -> 16"),
        ("licence", "CC0", "the store's licence: '' -> 'CC0'"),
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
    with pytest.raises(Mismatch, match="the store of teacher is stale.*encoding: float16 -> float32.*run --remake"):
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
    assert progress.lines[0].startswith("the store of teacher is stale")


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


def train(ws: Workspace, name: str, **settings: object):
    arguments = {
        "architecture": "plain2",
        "training": ws.config.training,
        "distillation": ws.config.distillation,
        "device": "cpu",
        "progress": Silent(),
        "stop": lambda: False,
        **settings,
    }
    return train_model(ws, name=name, **arguments)


def test_live_guides_from_finished_runs(done) -> None:
    ws, _ = done
    card = train(ws, "student-live", live=[ws.run_folder("teacher"), ws.run_folder("ta1")])
    assert card.guides == {name: load_card(ws.run_folder(name)).weights_digest for name in ("teacher", "ta1")}
    cached = train(ws, "student-cached", guides=[ws.store_path("teacher"), ws.store_path("ta1")])
    live, stored = (
        load_file(ws.run_folder(name) / "weights.safetensors") for name in ("student-live", "student-cached")
    )
    # The same initial weights, batches and drops: only the stores' float16 lies between the two.
    for key, value in live.items():
        np.testing.assert_allclose(value, stored[key], rtol=0.05, atol=0.02)
    assert cached.guides != card.guides


def test_a_run_of_another_setting_under_the_same_name_is_refused(done) -> None:
    ws, _ = done
    train(ws, "twice")
    other = ws.config.training.model_copy(update={"lr": 0.01})
    with pytest.raises(Mismatch, match="twice.*training.lr: 0.1 -> 0.01.*--fresh") as caught:
        train(ws, "twice", training=other)
    assert caught.value.exit_code == 13


def test_fresh_views_are_for_models_without_cached_guides(done) -> None:
    ws, _ = done
    fresh = ws.config.training.model_copy(update={"views": "fresh", "epochs": 3})
    with pytest.raises(InvalidInput, match='"fresh"'):
        train(ws, "x", training=fresh, guides=[ws.store_path("teacher")])
    card = train(ws, "fresh", training=fresh)
    assert card.views["kind"] == "fresh" and card.views["schedule"] == "fresh"
    cached = train(ws, "cached", training=ws.config.training.model_copy(update={"epochs": 3}))
    assert card.weights_digest != cached.weights_digest  # epoch 2 saw view 2, not view 0 again


def test_the_validation_split_is_not_trained_on_and_scores_the_run(tmp_path: Path, monkeypatch) -> None:
    ws = workspace(tmp_path / "ws", dataset__validation=16, training__select="best")
    seen: set[int] = set()
    original = RunRandom.order

    def watched(self, epoch, samples_N):
        seen.update(np.asarray(samples_N).tolist())
        return original(self, epoch, samples_N)

    monkeypatch.setattr(RunRandom, "order", watched)
    card = train(ws, "student")
    train_N, held_N = split_samples(96, 16)
    assert seen == set(train_N.tolist()) == set(range(96)) - set(held_N.tolist()) and len(held_N) == 16
    result = evaluate_model(ws, model="student", split="validation", device="cpu", progress=Silent())
    assert (result.samples, f"{result.accuracy:g}") == (16, card.accuracy["validation"])
    assert evaluate_model(ws, model="student", split="test", device="cpu", progress=Silent()).samples == 40


def test_evaluate_without_a_validation_split(done) -> None:
    ws, _ = done
    with pytest.raises(InvalidInput, match="no validation split.*expected one of train, test"):
        evaluate_model(ws, model="teacher", split="validation", device="cpu", progress=Silent())


def dump(ws: Workspace, model: str, **settings: object):
    arguments = {"device": "cpu", "progress": Silent(), "stop": lambda: False, **settings}
    return dump_guide(ws, model=model, **arguments)


def test_shares_of_a_dump(done, tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")
    train(ws, "teacher", architecture="resnet14", training=ws.config.training_for("teacher"))
    assert dump(ws, "teacher", shard=(1, 2)).seal is None
    assert dump(ws, "teacher", shard=(0, 2)).seal is not None
    assert {k: v for k, v in content(ws.folder).items() if "teacher" in k} == {
        k: v for k, v in content(done[0].folder).items() if "/teacher" in k
    }
    with pytest.raises(InvalidInput, match="no such share.*found 2/2"):
        dump(ws, "teacher", shard=(2, 2))


def test_dumping_what_is_not_trained_or_was_trained_on_other_views(done) -> None:
    ws, _ = done
    with pytest.raises(UnknownName, match="'nobody'.*ls` lists them") as caught:
        dump(ws, "nobody")
    assert caught.value.exit_code == 2
    other = ws.with_config(with_overrides(ws.config, {"views.seed": 9}))
    with pytest.raises(Mismatch, match="trained on another view plan") as refused:
        dump(other, "teacher")
    assert isinstance(refused.value, DgkdError) and refused.value.exit_code == 13


def test_more_views_are_another_store_of_the_same_guide(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", training__epochs=1)
    train(ws, "teacher")
    first, more = dump(ws, "teacher"), dump(ws, "teacher", views=range(2, 4))
    assert [one.path.name for one in (first, more)] == ["teacher.zarr", "teacher-2-4.zarr"]
    assert dump(ws, "teacher", views=range(2, 4)).seal == more.seal
    assert ws.stores() == ("teacher", "teacher-2-4")
    with GuideStore.open(ws.resolve_guide("teacher-2-4")) as store:
        assert (store.header.guide.name, store.views) == ("teacher", range(2, 4))
    four = ws.with_config(with_overrides(ws.config, {"views.count": 4}))
    card = train(four, "student", guides=[ws.resolve_guide(name) for name in ("teacher", "teacher-2-4")])
    assert list(card.guides) == ["teacher"]
    assert card.guides["teacher"] == hashlib.sha256(f"{first.seal}{more.seal}".encode()).hexdigest()


def test_views_that_an_enumerated_plan_does_not_have(tmp_path: Path) -> None:
    settings = {"views__scheme": "enumerated", "views__schedule": "draw", "views__count": 18}
    ws = workspace(tmp_path / "ws", training__epochs=1, **settings)
    train(ws, "teacher")
    with pytest.raises(InvalidInput, match="one of the 18 enumerated views"):
        dump(ws, "teacher", views=range(17, 19))
    assert not (ws.folder / "guides").exists()


def test_the_time_of_dumps_stands_in_no_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = workspace(tmp_path / "ws", training__epochs=1)
    train(ws, "teacher")
    file = ws.run_folder("teacher") / "dump_seconds.txt"
    file.write_text("")  # as a full disk used to leave it
    assert dump_seconds(file.parent) is None
    assert chain_rows(ws)[0].dump_seconds is None
    dump(ws, "teacher", shard=(0, 2))
    once = file.read_text()
    assert 0 < float(once) < 600
    dump(ws, "teacher", shard=(0, 2))
    assert file.read_text() == once, "nothing was written"
    write_text = Path.write_text

    def full(self: Path, text: str, **settings: str) -> int:
        if not self.name.startswith("dump_seconds"):
            return write_text(self, text, **settings)
        self.write_bytes(b"")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_text", full)
    assert dump(ws, "teacher").seal is not None
    assert file.read_text() == once
    assert {path.name for path in file.parent.glob("dump_seconds*")} == {file.name}
