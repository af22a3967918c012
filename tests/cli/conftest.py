"""Fixtures that the command line's tests share: a runner, and a small workspace."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.tiny_chain import CONFIG, MODULE

from dgkd_cache.models import save_model, weights_digest
from dgkd_cache.models.registry import build_model
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cli.main import main

TEXT = """
[views]
transforms = ["crop(1)"]
count = 2
[chain]
teacher = "plain6"
ta1 = "plain4"
student = "plain2"
[training]
epochs = 2
lr = 0.01
"""

Command = Callable[..., Result]
SaveTeacher = Callable[..., Path]


@pytest.fixture
def command() -> Command:
    """Runs `dgkd-cache ARGUMENTS...`; an exception that is no exit is a bug and fails the test."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that is the current folder."""
    (tmp_path / "dgkd.toml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of `made`, the workspace of a file's tests, as the current folder; its module is not yet loaded."""
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "tiny_bars", raising=False)
    yield folder
    sys.modules.pop("tiny_bars", None)


@pytest.fixture
def save_teacher(workspace: Path) -> SaveTeacher:
    """Makes the finished run `teacher`, with changes of its card; gives its folder."""

    def save(**changes: object) -> Path:
        model = build_model("plain6", channels=1, classes=2, height=8, width=8, seed=0)
        card = ModelCard(
            name="teacher",
            architecture="plain6",
            channels=1,
            classes=("a", "b"),
            height=8,
            width=8,
            parameters=sum(tensor.numel() for tensor in model.parameters()),
            preprocess=Preprocess(mean=("0.5",), std=("0.25",)),
            dataset={"name": "digits", "digest": "0" * 64},
            plan_digest="",
            views={},
            training={},
            weights_digest=weights_digest(model),
        )
        save_model(workspace / "runs" / "teacher", model, card.model_copy(update=changes))
        return workspace / "runs" / "teacher"

    return save


@pytest.fixture
def teacher(save_teacher: SaveTeacher) -> Path:
    """A finished run, whose card has text that must not act on a terminal."""
    return save_teacher(
        dataset={"name": "di[bold]gits\x1b[2J", "digest": "0" * 64},
        views={"count": 2},
        training={"method": "scratch"},
        accuracy={"test": "0.8812"},
        seconds=75,
    )


@pytest.fixture
def guides(workspace: Path, three_guides: list[Path]) -> Path:
    """The folder of three stores, of views 0 to 2; the workspace's are 0 and 1."""
    for path in three_guides:
        shutil.copytree(path, workspace / "guides" / path.name)
    return workspace / "guides"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A workspace on tiny images of a module of the user's own, with a chain of two; nothing is trained."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "tiny_bars.py").write_text(MODULE)
    (folder / "dgkd.toml").write_text(CONFIG.format(chain='teacher = "plain4"\nstudent = "plain2"'))
    return folder
