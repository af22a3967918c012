"""The settings of a model of the chain are checked before anything is trained; what can be trained passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny_chain import add_module, workspace

from dgkd_cache.errors import InvalidInput
from dgkd_cache.workspace.tasks.training_check import check_training

TOPK = {"cache__encoding": "topk", "cache__topk": 2}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"views__transforms": ["cutmix(1)"], "distillation__guide_loss": "dkd"}, "images that mix two samples"),
        ({**TOPK, "distillation__guide_loss": "dist"}, "the guide loss dist needs the logits of all classes"),
        ({**TOPK, "distillation__temperature": 3.0}, "expected distillation.temperature 4 or 1, found 3"),
        ({"training__views": "fresh"}, "fresh"),
    ],
)
def test_what_cannot_be_trained_under_guides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], problem: str
) -> None:
    add_module(tmp_path, monkeypatch)
    ws = workspace(tmp_path / "ws", **settings)
    check_training(ws, "teacher")  # it has none
    with pytest.raises(InvalidInput, match=problem):
        check_training(ws, "student")


@pytest.mark.parametrize(
    "settings", [{}, {"views__transforms": ["mixup(1)"]}, {**TOPK, "distillation__temperature": 1.0}]
)
def test_what_can_be_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]) -> None:
    add_module(tmp_path, monkeypatch)
    ws = workspace(tmp_path / "ws", **settings)
    for name in ws.trained_here:
        check_training(ws, name)
