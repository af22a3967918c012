"""A chain with pruned members: a chain of sparsities is a chain like any other."""

from __future__ import annotations

import itertools
import shutil

import pytest
from support.tiny_chain import CONFIG, Lines, add_module, content, run, train

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Incomplete, Interrupted, InvalidInput, Mismatch
from dgkd_cache.models.saved import load_model
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.study.study import set_up_study
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.chain_preview import preview_chain
from dgkd_cache.workspace.listing import list_run, list_runs
from dgkd_cache.workspace.pruning import pruning_of
from dgkd_cache.workspace.tasks import TrainRequest, plan_chain, prune_model
from dgkd_cache.workspace.workspace import Workspace

CHAIN = 'teacher = "plain4"\nta1 = "pruned:teacher@0.5"\nta2 = "pruned:ta1@0.8"\nstudent = "pruned:teacher@0.9"'
SETTINGS = {"pruning.steps": 2, "training.epochs": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The chain, run once."""
    with pytest.MonkeyPatch.context() as patch:
        add_module(tmp_path_factory.mktemp("pruned_module"), patch)
        ws = Workspace.init(tmp_path_factory.mktemp("pruned") / "ws", CONFIG.format(chain=CHAIN))
        ws = ws.with_config(with_overrides(ws.config, SETTINGS))
        return ws, run(ws)


@pytest.fixture
def made(whole, tmp_path) -> Workspace:
    """A copy of it."""
    ws, _ = whole
    shutil.copytree(ws.folder, tmp_path / "ws")
    return Workspace(tmp_path / "ws", ws.config)


def lines(ws: Workspace) -> dict[str, str]:
    return {one.model: one.line for one in preview_chain(ws, device="cpu", progress=Silent())}


def zeros(ws: Workspace, name: str) -> float:
    found = [value for value in load_model(ws.run_folder(name))[0].state_dict().values() if value.ndim in (2, 4)]
    return sum(int((value == 0).sum()) for value in found) / sum(value.numel() for value in found)


def test_it_is_made_like_any_other(whole) -> None:
    ws, rows = whole
    assert [(row.model, row.architecture, row.guides, row.state) for row in rows] == [
        ("teacher", "plain4", (), "done"),
        ("ta1", "plain4", ("teacher",), "done"),
        ("ta2", "plain4", ("teacher", "ta1"), "done"),
        ("student", "plain4", ("teacher", "ta1", "ta2"), "done"),
    ]
    assert chain_rows(ws, device="cpu") == rows
    for name, sparsity in (("teacher", 0.0), ("ta1", 0.5), ("ta2", 0.8), ("student", 0.9)):
        assert abs(zeros(ws, name) - sparsity) < 2e-4, name
    sources = {name: load_card(ws.run_folder(name)).training["pruning"] for name in ("ta1", "ta2", "student")}
    assert [one["source"] for one in sources.values()] == ["teacher", "ta1", "teacher"]
    assert sources["ta2"]["weights"] == load_card(ws.run_folder("ta1")).weights_digest
    assert set(lines(ws).values()) == {"done, kept"}
    assert {row.state for row in list_runs(ws)} == {"done"}
    said = Lines()
    assert run(ws, progress=said) == rows and said.lines[-1] == "student is done and up to date"


def test_it_is_the_run_of_prune(made: Workspace) -> None:
    """`prune teacher --guides teacher --sparsity 0.5` with the recipe of ta1 ends in the weights of ta1."""
    pruning = pruning_of(made, "ta1")
    assert pruning is not None and (pruning.source, pruning.sparsity) == ("teacher", 0.5)
    request = TrainRequest(
        name="teacher-s50",
        architecture="plain4",
        guides=[made.store_path("teacher")],
        training=made.config.training_for("ta1"),
        distillation=made.config.distillation,
        pruning=pruning,
    )
    prune_model(made, [request], device="cpu", progress=Silent(), stop=lambda: False)
    weights = [made.run_folder(name) / "weights.safetensors" for name in ("ta1", "teacher-s50")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_stopped_anywhere_it_ends_in_the_same_bytes(whole, tmp_path) -> None:
    ws, _ = whole
    again = Workspace.init(tmp_path / "again", CONFIG.format(chain=CHAIN))
    again = again.with_config(ws.config)
    for stop in (2, 5, 3, 7, 4):
        calls = itertools.count(1)
        with pytest.raises(Interrupted):
            run(again, stop=lambda calls=calls, stop=stop: next(calls) == stop)
    run(again)
    assert content(again.folder) == content(ws.folder)


def test_another_sparsity_criterion_or_source_is_stale(made: Workspace) -> None:
    for key, value, setting in (
        ("chain.ta1", "pruned:teacher@0.6", "pruning.sparsity was 0.5, is 0.6"),
        ("pruning.criterion", "gradient", "pruning.criterion was"),
        ("pruning.steps", 3, "pruning.steps was 2, is 3"),
    ):
        other = made.with_config(with_overrides(made.config, {key: value}))
        assert setting in lines(other)["ta1"], key
        assert list_run(other, "ta1").state == "stale"
        with pytest.raises(Mismatch, match="ta1 is stale"):
            run(other)
    kept = made.with_config(with_overrides(made.config, {"training.momentum": 0.8}))
    assert lines(kept)["ta2"].startswith("stale because training.momentum")


def test_a_teacher_that_is_made_again_takes_its_pruned_models_along(made: Workspace) -> None:
    other = made.with_config(with_overrides(made.config, {"training.teacher.lr": 0.02}))
    told = lines(other)
    assert told["teacher"].startswith("stale because training.lr")
    assert "after its guide teacher" in told["ta1"]
    run(other, remake=True)
    before, after = load_card(made.folder / "aside" / "teacher-1" / "teacher"), load_card(other.run_folder("teacher"))
    assert before.weights_digest != after.weights_digest
    assert load_card(other.run_folder("ta1")).training["pruning"]["weights"] == after.weights_digest
    assert zeros(other, "student") > 0.89 and set(lines(other).values()) == {"done, kept"}


def test_a_source_that_is_no_guide_counts_too(made: Workspace) -> None:
    """Under takd, the student's only guide is ta2, and its source the teacher."""
    run(takd := made.with_config(with_overrides(made.config, {"distillation.method": "takd"})), remake=True)
    assert list(load_card(takd.run_folder("student")).guides) == ["ta2"]
    train(takd, "teacher", architecture="plain4", training=takd.config.training_for("teacher"), fresh=True)
    assert set(lines(takd).values()) != {"done, kept"}, "the store of the teacher is gone"
    shutil.rmtree(takd.run_folder("teacher"))
    told = lines(takd)
    assert told["teacher"].startswith("missing") and told["student"].startswith("done: kept if")


def test_a_run_outside_of_the_chain_as_source(made: Workspace, tmp_path) -> None:
    train(made, "other", architecture="plain2", training=made.config.training)
    text = CONFIG.format(chain='teacher = "plain4"\nta1 = "pruned:other@0.5"\nstudent = "plain2"')
    lacking = Workspace.init(tmp_path / "lacking", text)
    with pytest.raises(Incomplete, match="ta1 is pruned from other, which is neither .*runs/other") as caught:
        run(lacking)
    assert caught.value.exit_code == 3 and not (lacking.folder / "runs").exists()
    shutil.copytree(made.run_folder("other"), lacking.folder / "runs" / "other")
    there = lacking.with_config(with_overrides(lacking.config, SETTINGS | {"training.teacher.epochs": 1}))
    rows = run(there)
    assert [(row.model, row.architecture) for row in rows] == [
        *(("teacher", "plain4"), ("ta1", "plain2"), ("student", "plain2"))
    ]
    assert load_card(there.run_folder("ta1")).training["pruning"]["source"] == "other"


def test_what_is_refused_before_anything_is_trained(tmp_path) -> None:
    def chain(text: str, **settings: object) -> Workspace:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        ws = Workspace.init(folder, CONFIG.format(chain=text))
        return ws.with_config(with_overrides(ws.config, settings))

    pruned = 'teacher = "plain4"\nstudent = "pruned:teacher@0.5"'
    for ws in (
        chain(pruned, **{"distillation.method": "scratch"}),
        chain(pruned, **{"distillation.lambda": 0.0}),
    ):
        with pytest.raises(InvalidInput, match="student cannot be pruned by the importance under guides"):
            run(ws)
        assert not (ws.folder / "runs").exists()
    alone = chain(pruned, **{"distillation.method": "scratch", "pruning.criterion": "magnitude", **SETTINGS})
    assert [row.state for row in run(alone)] == ["done", "done"]
    with pytest.raises(InvalidInput, match="a chain with student, which is pruned, cannot be compared"):
        set_up_study(alone)


def test_plan_counts_the_importance(made: Workspace) -> None:
    def samples(ws: Workspace) -> dict[str, int]:
        cost = plan_chain(ws, device="cpu", seconds=0.02, progress=Silent())
        return {one.model: one.samples for one in cost.runs}

    found = samples(made)
    assert found["teacher"] == 96 and found["ta1"] == 96 + 2 * 128
    by_size = made.with_config(with_overrides(made.config, {"pruning.criterion": "magnitude"}))
    assert samples(by_size)["ta1"] == 96
