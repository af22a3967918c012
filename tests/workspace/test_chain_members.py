"""Chains whose guides are from elsewhere: adopted models and stores are done, and what they lack is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.tiny_chain import CONFIG, run

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Incomplete, Mismatch, StoreNotFound
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.chain_preview import preview_chain
from dgkd_cache.workspace.listing import list_runs, list_stores
from dgkd_cache.workspace.tasks import TrainRequest, plan_chain, train_model
from dgkd_cache.workspace.tasks.adopt import adopt_model
from dgkd_cache.workspace.tasks.adoption_options import AdoptRequest
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

CHAIN = 'teacher = "adopted:big"\nta1 = "store:{store}"\nstudent = "plain2"'


@pytest.fixture
def other(done, tmp_path: Path) -> Workspace:
    """A workspace whose guides are the first lab's: its teacher's weights, and the store of its ta1."""
    theirs, _ = done
    shutil.copytree(theirs.store_path("teacher"), tmp_path / "theirs.zarr")
    shutil.copy(theirs.run_folder("teacher") / "weights.safetensors", tmp_path / "weights.safetensors")
    text = CONFIG.format(chain=CHAIN.format(store="../theirs.zarr")).replace("[training.teacher]\nepochs = 3\n", "")
    return Workspace.init(tmp_path / "ws", text)


def adopt(ws: Workspace) -> Workspace:
    weights = ws.folder.parent / "weights.safetensors"
    request = AdoptRequest(name="big", architecture="resnet14", weights=weights, accept_accuracy=True)
    adopt_model(ws, request, device="cpu", progress=Silent())
    return Workspace.open(ws.folder)


def lines(ws: Workspace) -> dict[str, str]:
    return {one.model: one.line for one in preview_chain(ws, device="cpu", progress=Silent())}


def test_before_it_is_adopted(other: Workspace) -> None:
    assert [(row.name, row.state) for row in list_runs(other)] == [
        ("teacher", "missing"),
        ("ta1", "done"),
        ("student", "missing"),
    ]
    assert lines(other)["teacher"].startswith("not adopted: `dgkd-cache -w ")
    with pytest.raises(Incomplete, match="teacher is not adopted.*adopt big --arch ARCHITECTURE --weights FILE"):
        run(other)
    with pytest.raises(Incomplete, match="not adopted"):
        plan_chain(other, device="cpu", seconds=0.1, progress=Silent())
    assert not (other.folder / "runs").exists()


def test_both_are_taken_as_done(other: Workspace, done) -> None:
    theirs, _ = done
    ws = adopt(other)
    rows = run(ws)
    assert [(row.model, row.architecture, row.guides, row.state) for row in rows] == [
        ("teacher", "resnet14", (), "done"),
        ("ta1", "resnet14", (), "done"),
        ("student", "plain2", ("teacher", "ta1"), "done"),
    ]
    with (
        GuideStore.open(ws.folder / "guides" / "big.zarr") as mine,
        GuideStore.open(theirs.store_path("teacher")) as old,
    ):
        # The names of guides are those of the chain, whatever the stores call them.
        assert load_card(ws.run_folder("student")).guides == {"teacher": mine.seal, "ta1": old.seal}
        assert mine.header.guide.name == "big"
        assert (mine.test_logits_MC == old.test_logits_MC).all()  # the weights are the same
        assert rows[1].accuracy == old.header.guide.accuracy and rows[1].parameters == old.header.guide.parameters
    assert not (ws.folder / "runs" / "teacher").exists() and not (ws.folder / "guides" / "teacher.zarr").exists()
    assert run(ws) == rows == chain_rows(ws, device="cpu")
    assert lines(ws) == {"teacher": "done, kept", "ta1": "done, kept", "student": "done, kept"}
    listed = {row.name: (row.state, row.settings.get("method")) for row in list_runs(ws)}
    assert listed == {"teacher": ("done", "adopted"), "ta1": ("done", "store"), "student": ("done", "dgkd")}
    assert {store.name: store.state for store in list_stores(ws)} == {"ta1": "sealed", "big": "sealed"}


def test_a_setting_of_the_cache_costs_a_dump_and_no_adoption(other: Workspace) -> None:
    ws = adopt(other)
    run(ws)
    weights = load_card(ws.folder / "runs" / "big").weights_digest
    colder = ws.with_config(with_overrides(ws.config, {"cache.batch_size": 16}))
    assert (
        lines(colder)["teacher"]
        == "its store is stale because its batch_size was 32, is 16: `--remake` would dump it again"
    )
    with pytest.raises(Mismatch, match="the store of teacher is stale"):
        run(colder)
    assert {row.name: row.state for row in list_stores(colder)} == {"ta1": "sealed", "big": "stale"}
    run(colder, remake=True)
    assert load_card(ws.folder / "runs" / "big").weights_digest == weights
    assert (ws.folder / "aside" / "teacher-1" / "big.zarr").exists()


def test_other_views_make_its_store_stale_for_ls_as_for_run(other: Workspace) -> None:
    """Those of a store that is a member of the chain are not ours to change: `run` refuses them."""
    ws = adopt(other)
    run(ws)
    for settings, old, new in (
        (
            {"views.transforms": ["crop(2)", "hflip"]},
            "crop(1), hflip; sampled, seed 0",
            "crop(2), hflip; sampled, seed 0",
        ),
        ({"views.seed": 3}, "crop(1), hflip; sampled, seed 0", "crop(1), hflip; sampled, seed 3"),
    ):
        changed = ws.with_config(with_overrides(ws.config, settings))
        (_, store) = list_stores(changed)
        assert (store.name, store.state) == ("big", "stale")
        assert store.why == f'the store\'s view plan was "{old}", is "{new}"'
        with pytest.raises(Mismatch, match="theirs.zarr.* was dumped under another view plan"):
            lines(changed)
    assert [store.state for store in list_stores(ws)] == ["sealed", "sealed"]


def test_another_model_in_the_settings_makes_it_stale_and_no_remake_helps(other: Workspace) -> None:
    ws = adopt(other)
    run(ws)
    path = ws.folder / "dgkd.toml"
    path.write_text(path.read_text().replace(ws.config.models["big"].weights, "0" * 64))
    ws = Workspace.open(ws.folder)
    assert {row.name: row.state for row in list_runs(ws)}["teacher"] == "stale"
    assert lines(ws)["teacher"].startswith("stale (weights was ")
    for remake in (False, True):
        with pytest.raises(Mismatch, match="teacher is stale.*adopt big --arch resnet14 --weights FILE --fresh"):
            run(ws, remake=remake)
    assert (ws.folder / "runs" / "big").exists()


def test_a_store_that_is_not_there_or_does_not_fit(other: Workspace, tmp_path: Path) -> None:
    ws = adopt(other)
    (tmp_path / "theirs.zarr").rename(tmp_path / "moved.zarr")
    with pytest.raises(StoreNotFound):
        run(ws)
    assert {row.name: row.state for row in list_runs(ws)}["ta1"] == "missing"
    (tmp_path / "moved.zarr").rename(tmp_path / "theirs.zarr")
    flipped = ws.with_config(with_overrides(ws.config, {"views.seed": 5}))
    with pytest.raises(Mismatch, match="another view plan"):
        run(flipped)
    assert not (ws.folder / "runs" / "student").exists() and not (ws.folder / "guides").exists()


def test_live_guides_have_the_names_of_the_chain(other: Workspace) -> None:
    ws = adopt(other)
    request = TrainRequest(
        name="live",
        architecture="plain2",
        live=[ws.run_folder("teacher")],
        names=["teacher"],
        training=ws.config.training_for("student"),
        distillation=ws.config.distillation,
    )
    card = train_model(ws, request, device="cpu", progress=Silent(), stop=lambda: False)
    assert card.guides == {"teacher": load_card(ws.folder / "runs" / "big").weights_digest}


def test_the_plan_has_a_dump_for_the_adopted_one_alone(other: Workspace) -> None:
    cost = plan_chain(adopt(other), device="cpu", seconds=0.2, progress=Silent())
    assert [guide.guide for guide in cost.guides] == ["teacher"]
    assert [run.model for run in cost.runs] == ["student"] and cost.runs[0].guides == ("teacher", "ta1")
