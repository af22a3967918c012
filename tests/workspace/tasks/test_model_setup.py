"""A model in its workspace: the size of its input."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny_chain import run, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput
from dgkd_cache.workspace.tasks.model_setup import check_mixing, new_model


def test_the_setting_goes_before_what_the_model_was_made_for(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")

    def size_of(architecture: str, setting: int | None) -> int | None:
        _, preprocess = new_model(ws, architecture, input_size=setting, seed=0)
        return preprocess.input_size

    assert [size_of("torchvision:squeezenet1_1", setting) for setting in (None, 64)] == [224, 64]
    assert [size_of("resnet8", setting) for setting in (None, 64, 8)] == [None, 64, None]  # views have 8 pixels a side


def test_a_size_that_a_model_cannot_take_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain2"\nstudent = "vgg8"', training__input_size=4)
    with pytest.raises(InvalidInput, match="too small for vgg8.*found 4x4"):
        run(ws)
    assert not (ws.folder / "runs").exists()
    with pytest.raises(InvalidInput, match="'input_size' in table .training. of .* is wrong: .*at least 1"):
        with_overrides(ws.config, {"training.input_size": 0})


MIXED = {"views.transforms": ["crop(1)", "mixup(0.4)"]}


@pytest.mark.parametrize(
    ("settings", "guided", "words"),
    [
        ({"dataset.validation": 1}, False, "a single held-out sample cannot be mixed with another"),
        ({"distillation.guide_loss": "dkd"}, True, "dkd cannot be taken of images that mix two samples"),
        ({"distillation.guide_loss": "dkd"}, False, ""),
        ({"distillation.guide_loss": "dist", "dataset.validation": 2}, True, ""),
        ({"views.transforms": ["hflip"], "distillation.guide_loss": "dkd", "dataset.validation": 1}, True, ""),
    ],
)
def test_what_views_that_mix_samples_do_not_allow(
    tmp_path: Path, settings: dict[str, object], guided: bool, words: str
) -> None:
    ws = workspace(tmp_path / "ws")
    ws = ws.with_config(with_overrides(ws.config, {**MIXED, **settings}))
    if not words:
        check_mixing(ws, ws.config.distillation, guided=guided)
        return
    with pytest.raises(InvalidInput, match=words):
        check_mixing(ws, ws.config.distillation, guided=guided)
    with pytest.raises(InvalidInput, match=words):
        run(ws)
    assert not (ws.folder / "runs").exists()
