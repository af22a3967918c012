"""A second lab with the same photographs under other names, and one whose torchvision resizes otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny_chain import CONFIG, run, train

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Mismatch
from dgkd_cache.views.resized_crop import ResizedCrop
from dgkd_cache.workspace.workspace import Workspace

CHAIN = 'teacher = "plain4"\nstudent = "plain2"'


def photographs(folder: Path, name: str, *, without: int = 0) -> None:
    """36 training and 8 test images of several sizes in two classes, called as `name` makes of their number."""
    for split, count in (("train", 36), ("test", 8)):
        for number in range(without, count) if split == "train" else range(count):
            random = np.random.default_rng(number + 1000 * (split == "test"))
            pixels = random.integers(0, 256, (9 + number % 3, 10, 3), dtype=np.uint8)
            path = folder / split / ("cat" if number % 2 else "dog") / f"{name.format(97 * number % 101)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def lab(folder: Path, data: Path, **settings: object) -> Workspace:
    text = CONFIG.format(chain=CHAIN).replace("tiny_bars:bars", f"folder:{data}")
    ws = Workspace.init(folder, text.replace('"crop(1)"', '"resized-crop(8)"'))
    return ws.with_config(with_overrides(ws.config, {key.replace("__", "."): value for key, value in settings.items()}))


@pytest.fixture
def first(tmp_path: Path) -> Workspace:
    photographs(tmp_path / "a", "{}")
    ws = lab(tmp_path / "first", tmp_path / "a")
    run(ws)
    return ws


def student(ws: Workspace, first: Workspace) -> bytes:
    train(ws, "student", guides=[first.store_path("teacher")], training=ws.config.training_for("student"))
    return (ws.run_folder("student") / "weights.safetensors").read_bytes()


def test_photographs_under_other_names_train_to_the_same_weights(first: Workspace, tmp_path: Path) -> None:
    photographs(tmp_path / "b", "img_{:03}")
    ws = lab(tmp_path / "refused", tmp_path / "b")
    with pytest.raises(Mismatch, match="the same samples in another order"):
        student(ws, first)
    ws = lab(tmp_path / "second", tmp_path / "b", dataset__align=str(first.store_path("teacher")))
    assert student(ws, first) == (first.run_folder("student") / "weights.safetensors").read_bytes()
    assert ws.dataset().test.digest == first.dataset().test.digest, "the test images, too"


def test_some_of_the_photographs_are_enough_for_a_student(first: Workspace, tmp_path: Path) -> None:
    photographs(tmp_path / "b", "img_{:03}", without=6)
    ws = lab(tmp_path / "second", tmp_path / "b", dataset__align=str(first.store_path("teacher")))
    student(ws, first)
    assert len(ws.dataset().train) == 36 and len(ws.dataset().train.samples_N) == 30


def test_another_torchvision_is_refused_with_the_first_pair(
    first: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its resized pixels lie one row lower: nothing but the probe can tell."""
    resized = ResizedCrop.apply
    monkeypatch.setattr(ResizedCrop, "apply", lambda *given: resized(*given).roll(1, dims=2))
    photographs(tmp_path / "b", "img_{:03}")
    for name, align in (("plain", {}), ("aligned", {"dataset__align": str(first.store_path("teacher"))})):
        ws = lab(tmp_path / name, tmp_path / ("b" if align else "a"), **align)
        with pytest.raises(Mismatch, match="within an RMSE of 2 grey levels in view [01] of sample .*, found others"):
            student(ws, first)
        assert not ws.run_folder("student").exists()
