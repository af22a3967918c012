"""The jobs of a workspace: what they refuse, what they record, and what they leave alone."""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.disk import watched
from support.tiny_chain import Lines, content, dump, run, train, workspace

from dgkd_cache.config.workspace_config import override, with_overrides
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.errors import DgkdError, InvalidInput, Mismatch, UnknownName
from dgkd_cache.models.card import load_card
from dgkd_cache.progress import Silent
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.tasks import dump_seconds, evaluate_model
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore


@pytest.fixture
def done(done, tmp_path: Path):
    """The finished chain in a folder of its own: these tests add runs to it."""
    ws, rows = done
    shutil.copytree(ws.folder, tmp_path / "done")
    return Workspace(tmp_path / "done", ws.config), rows


def test_live_guides_say_what_the_cache_says(done) -> None:
    """The same initial weights, batches and drops, so the same losses; other guides or none give others."""
    ws, _ = done
    folders = [ws.run_folder("teacher"), ws.run_folder("ta1")]
    stores = [ws.store_path("teacher"), ws.store_path("ta1")]
    live = train(ws, "by-live", live=folders)
    cached = train(ws, "by-cache", guides=stores)
    train(ws, "by-one", guides=stores[:1])
    loss = {
        name: [line["loss"] for line in read_metrics(ws.run_folder(name) / "metrics.jsonl")]
        for name in ("by-live", "by-cache", "by-one")
    }
    assert loss["by-live"] == pytest.approx(loss["by-cache"], rel=2e-3)
    assert loss["by-one"] != pytest.approx(loss["by-cache"], rel=2e-2)
    digests = {name: load_card(ws.run_folder(name)).weights_digest for name in ("teacher", "ta1")}
    assert live.guides == digests and live.training["live"] is True
    assert cached.guides != digests and cached.training["live"] is False


def test_a_live_guide_of_other_views_or_another_split_is_refused(done) -> None:
    ws, _ = done
    for setting, value, words in (
        ("views.seed", 9, "view plan"),
        ("dataset.validation", 8, "validation split"),
    ):
        other = ws.with_config(with_overrides(ws.config, {setting: value}))
        with pytest.raises(Mismatch, match=f"trained on another {words}") as caught:
            train(other, "x", live=[ws.run_folder("teacher")])
        assert caught.value.exit_code == 13


def test_a_guide_that_saw_the_samples_held_out_here_is_told(done, tmp_path: Path) -> None:
    ws, _ = done
    held = workspace(tmp_path / "held", dataset__validation=16)
    progress = Lines()
    train(held, "student", guides=[ws.store_path("teacher")], progress=progress)
    assert any("guide teacher may have been trained on the 16 samples held out" in line for line in progress.lines)


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


def test_more_shares_than_views(tmp_path: Path) -> None:
    """An array of jobs may be larger than the store: those without a view have nothing to do."""
    ws = workspace(tmp_path / "ws", training__epochs=1, views__count=2)
    train(ws, "teacher")
    left = [dump(ws, "teacher", shard=(share, 5)) for share in range(5)]
    assert [one.nbytes > 0 for one in left] == [False, False, True, True, True]
    assert [one.seal is not None for one in left] == [False] * 4 + [True]
    seal, before = left[-1].seal, content(ws.folder)
    assert dump(ws, "teacher", shard=(0, 5)).seal == seal and content(ws.folder) == before


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
    both, said, fewer = [ws.resolve_guide(name) for name in ("teacher", "teacher-2-4")], Lines(), Lines()
    card = train(four, "student", guides=both, progress=said)
    train(ws, "fewer", guides=both, progress=fewer)
    unread = [line for line in (*said.lines, *fewer.lines) if "is not read" in line]
    assert unread == [f"{both[1]} is not read: it holds none of the 2 views of this run"]
    assert list(card.guides) == ["teacher"]
    assert card.guides["teacher"] == hashlib.sha256(f"{first.seal}{more.seal}".encode()).hexdigest()


def test_a_run_that_starts_over_is_not_its_own_guide(done, tmp_path: Path) -> None:
    shutil.copytree(done[0].folder, tmp_path / "ws")
    ws = Workspace.open(tmp_path / "ws")
    before = content(ws.folder)
    for guides in ({"guides": [ws.store_path("teacher")]}, {"live": [ws.run_folder("teacher")]}):
        with pytest.raises(InvalidInput, match="teacher cannot start over as its own guide: .*choose another --name"):
            train(ws, "teacher", fresh=True, **guides)
    assert content(ws.folder) == before
    train(ws, "teacher-b", fresh=True, guides=[ws.store_path("teacher")])


def test_views_that_an_enumerated_plan_does_not_have(tmp_path: Path) -> None:
    settings = {"views__scheme": "enumerated", "views__schedule": "draw", "views__count": 18}
    ws = workspace(tmp_path / "ws", training__epochs=1, **settings)
    train(ws, "teacher")
    with pytest.raises(InvalidInput, match="one of the 18 enumerated views"):
        dump(ws, "teacher", views=range(17, 19))
    assert not (ws.folder / "guides").exists()


def test_no_views_are_no_store(done) -> None:
    ws, _ = done
    for views in (range(0), range(5, 5)):
        with pytest.raises(InvalidInput, match="no views to write"):
            dump(ws, "teacher", views=views)
        assert not ws.store_path("teacher", views).exists()


def test_the_time_of_dumps_stands_in_no_way(tmp_path: Path) -> None:
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
    refused: list[str] = []

    def full(call: str, path: Path) -> None:
        if call == "write" and path.name.startswith("dump_seconds"):
            refused.append(path.name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with watched(full):
        assert dump(ws, "teacher").seal is not None
    assert refused
    assert file.read_text() == once
    assert {path.name for path in file.parent.glob("dump_seconds*")} == {file.name}


def test_a_refused_start_leaves_nothing_behind(done) -> None:
    ws, _ = done
    with pytest.raises(UnknownName):
        train(ws, "typo", architecture="resnet9")
    assert not ws.run_folder("typo").exists()
    assert train(ws, "typo").name == "typo"  # the corrected command goes through


def test_fresh_moves_the_old_run_only_once_nothing_refuses_the_new_one(done) -> None:
    ws, _ = done
    train(ws, "again")
    before = (ws.run_folder("again") / "weights.safetensors").read_bytes()
    with pytest.raises(UnknownName):
        train(ws, "again", architecture="resnet9", fresh=True)
    assert (ws.run_folder("again") / "weights.safetensors").read_bytes() == before
    other = ws.config.training.model_copy(update={"lr": 0.01})
    progress = Lines()
    train(ws, "again", training=other, fresh=True, progress=progress)
    assert (ws.folder / "aside" / "again-1" / "again" / "weights.safetensors").read_bytes() == before
    assert any("what was there before lies in" in line for line in progress.lines)


def test_fixed_dropping_of_every_guide_is_told(done) -> None:
    ws, _ = done
    progress = Lines()
    rule = ws.config.distillation.model_copy(update={"dropping": "fixed", "drop": 7})
    train(ws, "alone", guides=[ws.store_path("teacher")], distillation=rule, progress=progress)
    assert "dropping = fixed with drop = 7 leaves none of the 1 guides" in progress.lines


@pytest.mark.parametrize(("batch", "steps"), [(4, 24), (2, 25)])
def test_a_loss_many_times_the_cross_entropy_is_told(tmp_path: Path, batch: int, steps: int) -> None:
    """With lambda 0, `paper` is n times the cross-entropy exactly: four guides are told, two are not."""
    mine = workspace(tmp_path / "ws", training__epochs=1)
    for name in ("g0", "g1", "g2", "g3"):
        train(mine, name)
        dump(mine, name)
    recipe = {"training": override(mine.config.training, {"epochs": 1, "batch_size": batch}, name="training")}
    for guides, objective, told in ((4, "paper", 1), (2, "paper", 0), (4, "mean", 0)):
        said = Lines()
        stores = [mine.store_path(f"g{number}") for number in range(guides)]
        settings = override(mine.config.distillation, {"lambda": 0.0, "objective": objective}, name="distillation")
        train(mine, f"by-{guides}-{objective}", guides=stores, distillation=settings, progress=said, **recipe)
        lines = [line for line in said.lines if "times the cross-entropy" in line]
        assert len(lines) == told, (guides, objective)
        said_of = f"in the first {steps} steps the loss is 4.0 times the cross-entropy (objective paper, 4 guides"
        assert not lines or said_of in lines[0]


def test_another_test_set_is_noticed(done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(done[0].folder, tmp_path / "ws")
    shutil.copytree(done[0].folder, tmp_path / "before")
    ws = Workspace.open(tmp_path / "before")
    assert len(ws.dataset().test) == 40
    bars = tiny_module().bars
    monkeypatch.setattr(tiny_module(), "bars", lambda: (bars()[0], bars()[0]))
    changed = Workspace.open(tmp_path / "ws")
    with pytest.raises(Mismatch, match="trained on another test set") as refused:
        evaluate_model(changed, model="student", split="test", device="cpu", progress=Silent())
    assert refused.value.exit_code == 13
    with pytest.raises(Mismatch, match="trained on another test set"):
        dump(changed, "teacher")
    assert evaluate_model(changed, model="student", split="train", device="cpu", progress=Silent()).samples == 96
    for guides in ({"guides": [changed.store_path("teacher")]}, {"live": [changed.run_folder("teacher")]}):
        said, before = Lines(), Lines()
        train(ws, f"before-{next(iter(guides))}", progress=before, **guides)
        train(changed, f"after-{next(iter(guides))}", progress=said, **guides)
        told = [
            line for line in said.lines if "guide teacher was tested with other images than this model will be" in line
        ]
        assert len(told) == 1 and not [line for line in before.lines if "was tested with other" in line]


def test_test_pictures_that_do_not_fit_are_refused_before_training(tmp_path: Path, monkeypatch) -> None:
    bars = tiny_module().bars

    def smaller() -> object:
        train, (pixels, *rest) = bars()
        return train, (pixels[:, :, :6, :6].copy(), *rest)

    monkeypatch.setattr(tiny_module(), "bars", smaller)
    ws = workspace(tmp_path / "ws")
    with pytest.raises(Mismatch, match=r"\(test\) do not fit the view plan: .*8 x 8 .*found .* 6 x 6"):
        run(ws)
    assert not ws.run_folder("teacher").exists()


def tiny_module() -> ModuleType:
    return importlib.import_module("tiny_bars")
