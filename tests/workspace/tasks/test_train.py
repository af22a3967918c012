"""Training a model of a workspace: what is refused, what is recorded, and what is left alone."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from support.tiny_chain import Lines, content, dump, run, train, workspace

from dgkd_cache.config.workspace_config import override, with_overrides
from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.errors import InvalidInput, Mismatch, UnknownName
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.workspace.run_inputs import read_inputs
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore


def test_fresh_views_are_for_models_without_cached_guides(done) -> None:
    ws, _ = done
    fresh = ws.config.training.model_copy(update={"views": "fresh", "epochs": 3})
    with pytest.raises(InvalidInput, match='"fresh"'):
        train(ws, "x", training=fresh, guides=[ws.store_path("teacher")])
    card = train(ws, "fresh", training=fresh)
    assert card.views["kind"] == "fresh" and card.views["schedule"] == "fresh"
    cached = train(ws, "cached", training=ws.config.training.model_copy(update={"epochs": 3}))
    assert card.weights_digest != cached.weights_digest  # epoch 2 saw view 2, not view 0 again


def test_a_run_that_starts_over_is_not_its_own_guide(done, tmp_path: Path) -> None:
    shutil.copytree(done[0].folder, tmp_path / "ws")
    ws = Workspace.open(tmp_path / "ws")
    before = content(ws.folder)
    for guides in ({"guides": [ws.store_path("teacher")]}, {"live": [ws.run_folder("teacher")]}):
        with pytest.raises(InvalidInput, match="teacher cannot start over as its own guide: .*choose another --name"):
            train(ws, "teacher", fresh=True, **guides)
    assert content(ws.folder) == before
    train(ws, "teacher-b", fresh=True, guides=[ws.store_path("teacher")])


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


@pytest.mark.parametrize(
    "changes", [{"guide_loss": "dkd"}, {"guide_loss": "dist"}, {"standardize": True}, {"weights": "student"}]
)
def test_guide_losses_change_the_run_and_its_record(done, tmp_path: Path, changes: dict[str, object]) -> None:
    ws = Workspace(shutil.copytree(done[0].folder, tmp_path / "ws"), done[0].config)
    guides = [ws.store_path("teacher"), ws.store_path("ta1")]
    plain = train(ws, "plain", guides=guides)
    settings = override(ws.config.distillation, changes, name="distillation")
    card = train(ws, "other", guides=guides, distillation=settings)
    assert card.weights_digest != plain.weights_digest
    assert card.training == {**plain.training, **changes}, "a card tells what is not as it was before"
    inputs = [read_inputs(ws.run_folder(name)) or {} for name in (plain.name, card.name)]
    assert {key for key in inputs[1] if inputs[0].get(key) != inputs[1][key]} == {f"distillation.{k}" for k in changes}


def test_ranks_cannot_share_a_batch_whose_samples_are_compared(done) -> None:
    ws, _ = done
    settings = override(ws.config.distillation, {"guide_loss": "dist"}, name="distillation")
    with pytest.raises(InvalidInput, match="several ranks cannot train with the guide loss dist"):
        train(ws, "shared", guides=[ws.store_path("teacher")], distillation=settings, ranks=Ranks(rank=0, world=2))


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


def test_a_chain_on_mixed_views_mixes_the_samples_held_out_among_themselves(tmp_path: Path) -> None:
    """Their number is part of the plan: a student that holds out others is told so, and nothing of it is written."""
    settings = {"views__transforms": ["crop(1)", "cutmix"], "dataset__validation": 16, "training__epochs": 2}
    ws = workspace(tmp_path / "ws", chain='teacher = "plain4"\nstudent = "plain2"', **settings)
    run(ws)
    with GuideStore.open(ws.store_path("teacher")) as store:
        assert store.header.plan["transforms"][-1]["held_out"] == 16
    metrics = read_metrics(ws.run_folder("student") / "metrics.jsonl")
    assert len(metrics) == 2 and all("validation_accuracy" in line for line in metrics)
    other = ws.with_config(with_overrides(ws.config, {"dataset.validation": 20}))
    with pytest.raises(Mismatch, match=r"another view plan.*validation in .dataset., 16 there and 20 here"):
        train(other, "other", guides=[ws.store_path("teacher")])
    assert not (ws.run_folder("other") / "inputs.json").exists()
    train(ws, "same", guides=[ws.store_path("teacher")])
