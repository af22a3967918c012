"""A model in its workspace: the size of its input."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny_chain import run, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput
from dgkd_cache.workspace.tasks.model_setup import new_model


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
