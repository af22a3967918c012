"""Sizes of stores, a full disk to be and a chain that grows are refused or said before a chain is trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.tiny_chain import Lines, run, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.dump import sizes
from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.registry import build_model
from dgkd_cache.models.summary import larger_than_before
from dgkd_cache.workspace import chain
from dgkd_cache.workspace.chain_check import check_chain


@pytest.fixture
def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained before it was refused")

    monkeypatch.setattr(chain, "train_model", refuse)


@pytest.mark.usefixtures("nothing_is_trained")
def test_a_store_larger_than_the_format_has_is_refused_before_the_teacher(tmp_path: Path, monkeypatch) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain4"\nstudent = "plain2"', views__count=50)
    bytes_needed = 50 * 96 * 4 * 2  # views, samples, classes, bytes of float16
    monkeypatch.setattr(sizes, "MAX_RECORD_BYTES", bytes_needed - 1)
    with pytest.raises(InvalidInput, match=r"38,400 \(50 views of 96 samples and 4 classes in float16\).*views.count"):
        run(ws)
    assert not (ws.folder / "runs").exists()
    monkeypatch.setattr(sizes, "MAX_RECORD_BYTES", bytes_needed)
    with pytest.raises(AssertionError, match="trained before"):
        run(ws)


def test_the_limit_is_that_of_the_format() -> None:
    with pytest.raises(InvalidInput, match="lower views.count"):
        sizes.check_store_bytes(views=2**20, samples=2**20, classes=100, encoding="float32")
    assert (
        sizes.check_store_bytes(views=300, samples=1_281_167, classes=1000, encoding="float16")
        == 300 * 1_281_167 * 2000
    )


@pytest.mark.usefixtures("nothing_is_trained")
def test_a_disk_that_will_not_do_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = workspace(tmp_path / "ws", views__count=50)
    needed = 2 * 50 * 96 * 4 * 2  # two guides
    for free, told in ((needed - 1, True), (needed, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        said = Lines()
        with pytest.raises(AssertionError, match="trained before"):
            run(ws, progress=said)
        assert any("0.0 GB are free" in line and "plan`" in line for line in said.lines) is told


@pytest.mark.usefixtures("nothing_is_trained")
def test_a_chain_that_grows_is_told(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain2"\nta1 = "resnet8"\nstudent = "plain2"')
    said = Lines()
    with pytest.raises(AssertionError, match="trained before"):
        run(ws, progress=said)
    small, large = (
        sum(
            tensor.numel()
            for tensor in build_model(name, channels=1, classes=4, height=8, width=8, seed=0).parameters()
        )
        for name in ("plain2", "resnet8")
    )
    assert [line for line in said.lines if "largest" in line] == [
        f"ta1 has {large:,} parameters, more than teacher before it ({small:,}): a chain lists the largest model first"
    ]


def test_growth_is_by_neighbours() -> None:
    assert larger_than_before([("a", 3), ("b", 3), ("c", 1), ("d", 2), ("e", 3)]) == [
        "d has 2 parameters, more than c before it (1): a chain lists the largest model first",
        "e has 3 parameters, more than d before it (2): a chain lists the largest model first",
    ]


def test_finished_models_are_counted_by_their_cards(tmp_path: Path) -> None:
    ws, said = workspace(tmp_path / "ws"), Lines()  # resnet14, plain2, resnet8
    check_chain(ws, trained={"teacher": 10**6, "ta1": 70_000}, to_dump=(), progress=said)
    assert (
        len(said.lines) == 1
        and "student has 74," in said.lines[0]
        and "more than ta1 before it (70,000)" in said.lines[0]
    )
    check_chain(ws, trained={"teacher": 1, "ta1": 2, "student": 3}, to_dump=(), progress=said)
    assert len(said.lines) == 1, "a finished chain was told of it"


def test_a_split_that_cannot_be_is_refused_before_anything_is_set_aside(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain2"\nstudent = "plain2"', training__epochs=1)
    run(ws)
    other = ws.with_config(with_overrides(ws.config, {"dataset.validation": 96}))
    with pytest.raises(InvalidInput, match="nothing to train on: expected dataset.validation below 96, found 96"):
        run(other, remake=True)
    assert not (ws.folder / "aside").exists() and (ws.run_folder("teacher") / "card.json").exists()


@pytest.mark.parametrize(("transforms", "views", "told"), [(["none"], 3, 1), (["none"], 1, 0), (["hflip"], 3, 0)])
def test_views_that_are_all_the_same_are_told(tmp_path: Path, transforms: list[str], views: int, told: int) -> None:
    said = Lines()
    ws = workspace(tmp_path / "ws", views__transforms=transforms, views__count=views)
    check_chain(ws, trained={}, to_dump=("teacher",), progress=said)
    lines = [line for line in said.lines if "views are the same" in line]
    assert len(lines) == told and all("views.count = 1" in line for line in lines)


@pytest.mark.parametrize(("epochs", "views", "told"), [(2, 3, 1), (3, 3, 0)])
def test_views_that_no_epoch_comes_to_are_told(tmp_path: Path, epochs: int, views: int, told: int) -> None:
    said, ws = Lines(), workspace(tmp_path / "ws", training__epochs=epochs, views__count=views)
    check_chain(ws, trained={}, to_dump=("teacher",), progress=said)
    assert len([line for line in said.lines if "2 epochs: the others are not read" in line]) == told
