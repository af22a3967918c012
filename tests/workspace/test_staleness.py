"""Runs and stores outside the chain, compared with data, views and guides of today; no data set and no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_chain import dump, train

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.workspace.listing import RunEntry, StoreEntry, list_runs, list_stores
from dgkd_cache.workspace.staleness import Identities
from dgkd_cache.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def students(done, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The finished chain, two students beside it, one of them under a live guide, and a store of more views."""
    folder = tmp_path_factory.mktemp("students") / "ws"
    shutil.copytree(done[0].folder, folder)
    ws = Workspace(folder, done[0].config)
    quick = ws.config.training.model_copy(update={"epochs": 1, "lr": 0.02})
    train(ws, "kd", guides=[ws.store_path("teacher")], training=quick)
    train(ws, "live", live=[ws.run_folder("ta1")], training=quick)
    dump(ws, "ta1", views=range(2, 4))
    return ws


@pytest.fixture
def ws(students: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(students.folder, tmp_path / "ws")
    return Workspace(tmp_path / "ws", students.config)


def entry(ws: Workspace, name: str) -> RunEntry:
    return next(run for run in list_runs(ws) if run.name == name)


def store(ws: Workspace, name: str) -> StoreEntry:
    return next(one for one in list_stores(ws) if one.name == name)


def test_a_recipe_of_its_own_is_not_stale(ws: Workspace) -> None:
    """Options of `train` chose it, and no file holds them."""
    assert (entry(ws, "kd").state, entry(ws, "kd").settings["lr"]) == ("done", 0.02)
    other = ws.with_config(with_overrides(ws.config, {"training.lr": 0.3, "distillation.keep": 0.5}))
    assert {entry(other, name).state for name in ("kd", "live")} == {"done"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"views.count": 1}, "views.count was 2, is 1"),
        ({"dataset.validation": 8}, "dataset.validation was 0, is 8"),
    ],
)
def test_other_views_and_other_samples_are_stale(ws: Workspace, settings: dict[str, object], why: str) -> None:
    other = ws.with_config(with_overrides(ws.config, settings))
    assert [(entry(other, name).state, entry(other, name).why) for name in ("kd", "live")] == [("stale", why)] * 2


def test_another_store_of_the_guide_is_stale(ws: Workspace) -> None:
    was = store(ws, "teacher").seal
    shutil.rmtree(ws.store_path("teacher"))
    assert entry(ws, "kd").state == "done", "a guide without a store here is not compared"
    dump(ws.with_config(with_overrides(ws.config, {"cache.licence": "CC0"})), "teacher")
    (change,) = entry(ws, "kd").changes
    assert (change.setting, json.loads(change.was)) == ("guides.teacher", was)
    assert json.loads(change.now) == store(ws, "teacher").seal
    assert entry(ws, "kd").state == "stale"
    assert store(ws, "teacher").state == "stale" and 'licence was "CC0", is ""' in store(ws, "teacher").why


def test_other_weights_are_stale_for_live_students_and_for_stores(ws: Workspace) -> None:
    shutil.rmtree(ws.run_folder("ta1"))
    assert entry(ws, "live").state == "done"
    train(ws, "ta1", training=ws.config.training.model_copy(update={"epochs": 1}))
    assert [change.setting for change in entry(ws, "live").changes] == ["guides.ta1"]
    for name in ("ta1", "ta1-2-4"):
        assert store(ws, name).state == "stale" and "the store's weights were " in store(ws, name).why
    assert store(ws, "teacher").state == "sealed"


def test_a_store_of_other_views_is_compared_by_its_weights_alone(ws: Workspace) -> None:
    other = ws.with_config(with_overrides(ws.config, {"cache.temperature": 2.0, "cache.licence": "CC0"}))
    assert store(other, "ta1-2-4").state == "sealed"
    assert store(other, "ta1").state == "stale"


def test_several_stores_are_one_guide(ws: Workspace) -> None:
    """The digest is that of `GuideBank`: the SHA-256 of the seals, in the order of views."""
    four = ws.with_config(with_overrides(ws.config, {"views.count": 4}))
    card = train(four, "both", guides=[ws.store_path("ta1"), ws.folder / "guides" / "ta1-2-4.zarr"])
    assert Identities(ws).of_stores("ta1", card.guides["ta1"]) == card.guides["ta1"]
    assert entry(four, "both").state == "done"
    shutil.rmtree(ws.folder / "guides" / "ta1-2-4.zarr")
    assert entry(four, "both").state == "stale"


def test_neither_data_nor_torch_is_needed(students: Workspace) -> None:
    """The module of the data set cannot be imported there."""
    script = f"""
import sys
from dgkd_cache.workspace.listing import list_runs, list_stores
from dgkd_cache.workspace.workspace import Workspace
ws = Workspace.open({str(students.folder)!r})
print(*(one.state for one in (*list_runs(ws), *list_stores(ws))), "torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["done"] * 5 + ["sealed"] * 3 + ["False"]
