"""Guides whose logits a program gave, in a workspace: trained under, listed, and refused where a model is needed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from support.program_guide import program_guide
from support.tiny_chain import CONFIG, Lines, add_module, run, train

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Incomplete, InvalidInput, Mismatch
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.listing import list_runs, list_stores
from dgkd_cache.workspace.tasks import plan_chain, recompute_rows, repair_store
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import verify


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A chain whose teacher is the store of a program."""
    add_module(tmp_path, monkeypatch)
    chain = 'teacher = "store:../given.zarr"\nstudent = "plain2"'
    text = CONFIG.format(chain=chain).replace("[training.teacher]\nepochs = 3\n", "")
    ws = Workspace.init(tmp_path / "ws", text.replace("epochs = 2", "epochs = 1"))
    program_guide(ws, tmp_path / "given.zarr").run()
    return ws


def test_a_chain_takes_it_as_done(ws: Workspace) -> None:
    progress = Lines()
    rows = run(ws, progress=progress)
    assert [(row.model, row.architecture, row.parameters, row.accuracy, row.state) for row in rows[:1]] == [
        ("teacher", "logits", None, None, "done")
    ]
    seal = verify(ws.store_path("teacher")).seal
    assert load_card(ws.run_folder("student")).guides == {"teacher": seal}
    assert "guide teacher has no logits of a test set: nothing tells how good it is" in progress.lines
    assert not [line for line in progress.lines if "tested with other images" in line or "more than teacher" in line]
    (teacher, _) = list_runs(ws)
    assert (teacher.state, teacher.parameters, teacher.accuracy) == ("done", None, None)
    assert [(store.name, store.state) for store in list_stores(ws)] == [("teacher", "sealed")]
    assert chain_rows(ws, device="cpu") == rows


def test_a_plan_checks_it_as_run_does(ws: Workspace) -> None:
    assert plan_chain(ws, device="cpu", seconds=0.01, progress=Silent()).guides == ()
    more = ws.with_config(with_overrides(ws.config, {"views.count": ws.config.views.count + 1}))
    for refuse in (partial(plan_chain, more, device="cpu", seconds=0.01, progress=Silent()), partial(run, more)):
        with pytest.raises(Mismatch, match="too few views"):
            refuse()


def test_any_student_learns_from_it(ws: Workspace) -> None:
    path = ws.folder.parent / "given.zarr"
    card = train(ws, "by-program", guides=[path])
    assert card.guides == {"given": verify(path).seal}


def test_no_run_repairs_it_and_none_computes_its_rows(ws: Workspace) -> None:
    path = ws.folder.parent / "given.zarr"
    with pytest.raises(
        Incomplete, match="a program gave its logits, .*found given, a guide without weights; leave --rec"
    ):
        recompute_rows(ws, path=path, rows=8, device="cpu", progress=Silent())
    (path / "logits" / "c.1.0.0").unlink()
    settings = {"device": "cpu", "progress": Silent(), "stop": lambda: False}
    for where in (ws, None):
        with pytest.raises(InvalidInput) as caught:
            repair_store(where, path=path, **settings)
        assert str(caught.value).startswith(
            f"{path} has lost rows of view 1, and a program gave its logits: expected the program that gave the logits "
            "of given, found no model whose run could compute them; call repair() of its GuideWriter there"
        )
    program_guide(ws, path).repair()
    assert verify(path, full=True).complete
    assert repair_store(None, path=path, **settings).samples == 0
