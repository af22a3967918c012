"""The guides of one run: cached and live ones say the same, and what is odd about them is told."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from support.tiny_chain import Lines, dump, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Mismatch
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.workspace.tasks import evaluate_model
from dgkd_cache.workspace.workspace import Workspace


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


def test_fixed_dropping_of_every_guide_is_told(done) -> None:
    ws, _ = done
    progress = Lines()
    rule = ws.config.distillation.model_copy(update={"dropping": "fixed", "drop": 7})
    train(ws, "alone", guides=[ws.store_path("teacher")], distillation=rule, progress=progress)
    assert "dropping = fixed with drop = 7 leaves none of the 1 guides" in progress.lines


def test_a_single_guide_that_may_be_dropped_is_told(done) -> None:
    """With several guides, or one that is always kept, nothing is said."""
    ws, _ = done
    stores = [ws.store_path("teacher"), ws.store_path("ta1")]

    def told(guides: list[Path], **changes: object) -> list[str]:
        progress = Lines()
        rule = ws.config.distillation.model_copy(update=changes)
        train(ws, "told", guides=guides, distillation=rule, progress=progress, fresh=True)
        return [line for line in progress.lines if "dropped" in line]

    assert told(stores[:1], dropping="bernoulli", keep=0.875) == [
        "teacher, the only guide, is dropped in 12.5 % of the batches; plain knowledge distillation is trained with "
        "`--set distillation.dropping=none`"
    ]
    silent = [{"dropping": "none"}, {"always": ("teacher",)}, {"at_least_one": True}, {"lambda_": 0.0}]
    assert [told(stores[:1], **changes) for changes in silent] == [[]] * 4
    assert told(stores, dropping="bernoulli") == []


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


def tiny_module() -> ModuleType:
    return importlib.import_module("tiny_bars")
