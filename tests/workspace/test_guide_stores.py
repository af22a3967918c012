"""Draws in a workspace: dumped, listed, repaired, recomputed, trained under, and as the guides of a chain."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.tiny_chain import Lines, add_module, content, run, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Interrupted, InvalidInput, Mismatch, StoreNotFound
from dgkd_cache.progress import Silent
from dgkd_cache.workspace.chain_preview import preview_chain
from dgkd_cache.workspace.guide_stores import guide_stores, guides_with_stores
from dgkd_cache.workspace.listing import list_runs, list_stores
from dgkd_cache.workspace.resolve import resolve_guide, resolve_guides
from dgkd_cache.workspace.tasks import dump_draws, recompute_rows, repair_store
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, verify

CHAIN = 'teacher = "wrn-10-1-dropout0.3"\nstudent = "plain2"'


def draws_of(ws: Workspace, count: int, **settings: object) -> list:
    same = {"device": "cpu", "progress": Silent(), "stop": lambda: False, **settings}
    return dump_draws(ws, model="teacher", draws=count, **same)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a trained teacher and two draws of it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("draws")
        add_module(folder, patch)
        ws = workspace(folder / "ws", chain=CHAIN)
        train(ws, "teacher", architecture="wrn-10-1-dropout0.3", training=ws.config.training_for("teacher"))
        draws_of(ws, 2)
        return ws.folder


@pytest.fixture
def ws(made: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(made, tmp_path / "ws")
    return Workspace.open(tmp_path / "ws")


def test_more_draws_keep_those_that_are_there(ws: Workspace) -> None:
    before = content(ws.folder)
    found = draws_of(ws, 11)
    assert [one.path.name for one in found] == [f"teacher.d{draw}.zarr" for draw in range(11)]
    assert len({one.seal for one in found}) == 11
    after = content(ws.folder)
    assert {name: after[name] for name in before} == before
    assert ws.stores() == tuple(f"teacher.d{draw}" for draw in range(11))
    assert ws.stores_of("teacher") == tuple(one.path for one in found)
    assert resolve_guides(ws, "teacher.d*") == [one.path for one in found]
    assert resolve_guides(ws, f"{ws.folder}/guides/teacher.d*") == [one.path for one in found]
    assert [one.state for one in list_stores(ws)] == ["sealed"] * 11


def test_shares_and_a_stop_make_the_same_stores(ws: Workspace) -> None:
    whole = content(ws.folder)
    for path in ws.stores_of("teacher"):
        shutil.rmtree(path)
    asked = iter([False, True])  # within the first view
    with pytest.raises(Interrupted):
        draws_of(ws, 2, stop=lambda: next(asked))
    assert [one.seal for one in draws_of(ws, 2, shard=(1, 2))] == [None, None]
    assert None not in [one.seal for one in draws_of(ws, 2, shard=(0, 2))]
    assert content(ws.folder) == whole


def test_a_draw_is_repaired_and_recomputed_from_its_run(ws: Workspace) -> None:
    whole, path = content(ws.folder), ws.store_path("teacher.d1")
    again = recompute_rows(ws, path=path, rows=10**6, device="cpu", progress=Silent())
    assert (again.rows, again.differing, again.exact, again.run) == (2 * 96, 0, True, "teacher")
    lost = next(path.glob("logits/c.1*"))
    lost.write_bytes(bytes(lost.stat().st_size))
    assert verify(path, full=True).damage
    result = repair_store(ws, path=path, device="cpu", progress=Silent(), stop=lambda: False)
    assert result.samples == 96 and content(ws.folder) == whole


def test_other_views_of_a_draw_are_another_store_of_it(ws: Workspace) -> None:
    draws_of(ws, 1, views=range(2, 4))
    assert ws.stores() == ("teacher.d0", "teacher.d0-2-4", "teacher.d1")
    assert [path.stem for path in resolve_guides(ws, "teacher.d*")] == ["teacher.d0", "teacher.d1"]
    with GuideStore.open(resolve_guide(ws, "teacher.d0-2-4")) as store:
        assert (store.header.guide.called, store.views) == ("teacher.d0", range(2, 4))


def test_draws_of_other_weights_are_stale_and_set_aside_with_their_run(ws: Workspace) -> None:
    train(
        ws,
        "teacher",
        architecture="wrn-10-1-dropout0.3",
        training=ws.config.training.model_copy(update={"seed": 1}),
        fresh=True,
    )
    assert ws.stores() == ()
    shutil.copytree(next(ws.folder.glob("aside/*/teacher.d0.zarr")), ws.store_path("teacher.d0"))
    (entry,) = list_stores(ws)
    assert entry.state == "stale" and "weights" in entry.why


def test_a_student_is_trained_under_draws_each_of_which_is_a_guide(ws: Workspace) -> None:
    card = train(ws, "under", guides=resolve_guides(ws, "teacher.d*"))
    seals = {}
    for name in ("teacher.d0", "teacher.d1"):
        with GuideStore.open(ws.store_path(name)) as store:
            seals[name] = store.seal
    assert card.guides == seals
    (entry,) = [one for one in list_runs(ws) if one.name == "under"]
    assert entry.guides == ("teacher.d0", "teacher.d1") and entry.state == "done"


def test_names_without_a_draw(ws: Workspace) -> None:
    with pytest.raises(StoreNotFound, match="no draws of 'student' in the workspace.*found teacher.d0, teacher.d1"):
        resolve_guides(ws, "student.d*")
    with pytest.raises(StoreNotFound, match="'teacher.d7'.*dump teacher --draws 8` makes it"):
        resolve_guide(ws, "teacher.d7")
    with pytest.raises(InvalidInput, match="'draws' cannot be used"):
        draws_of(ws, 0)


def drawn(ws: Workspace, draws: int) -> Workspace:
    return ws.with_config(with_overrides(ws.config, {"cache.draws": draws}))


def test_a_chain_of_draws(ws: Workspace) -> None:
    two = drawn(ws, 2)
    assert list(guides_with_stores(two, "student")) == ["teacher.d0", "teacher.d1"]
    assert guide_stores(ws, "teacher") == {"teacher": ws.store_path("teacher")}
    said = Lines()
    rows = run(two, progress=said)
    assert [row.state for row in rows] == ["done", "done"] and "teacher is done and up to date" in said.lines
    (student,) = [one for one in list_runs(two) if one.name == "student"]
    assert (student.state, student.guides) == ("done", ("teacher.d0", "teacher.d1"))
    assert rows[0].cache_bytes == sum(one.nbytes for one in list_stores(two))
    before = content(ws.folder)
    assert [row.state for row in run(two)] == ["done", "done"] and content(ws.folder) == before
    # Another draw is dumped, and the student has other guides then.
    three = drawn(ws, 3)
    previews = preview_chain(three, device="cpu", progress=Silent())
    assert [(one.state, one.train, one.dump) for one in previews][0] == ("begun", "keep", "continue")
    assert {one.name: one.state for one in list_runs(three)}["student"] == "stale"
    with pytest.raises(Mismatch, match="student is stale.*guides.teacher.d2"):
        run(three)
    assert [row.state for row in run(three, remake=True)] == ["done", "done"]
    assert ws.stores() == ("teacher.d0", "teacher.d1", "teacher.d2")


def test_draws_of_another_setting_are_stale(ws: Workspace) -> None:
    other = ws.with_config(with_overrides(ws.config, {"cache.draws": 2, "cache.temperature": 2.0}))
    assert [one.state for one in list_stores(other)] == ["stale", "stale"]
    assert [one.state for one in list_stores(drawn(ws, 1))] == ["sealed", "sealed"]
    with pytest.raises(Mismatch, match="the store of teacher is stale.*temperature was 4, is 2"):
        run(other)


def test_a_chain_without_dropout_is_refused_before_it_trains(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain4"\nstudent = "plain2"', cache__draws=2)
    with pytest.raises(InvalidInput, match=r"teacher \(plain4\) has no dropout layer.*draws = 2 in \[cache\]"):
        run(ws)
    assert not (ws.folder / "runs").exists()


def test_the_model_that_is_never_dropped_stands_for_its_draws(ws: Workspace) -> None:
    from dgkd_cache.workspace.tasks.model_setup import dropping_of

    settings = ws.config.distillation.model_copy(update={"always": ("teacher",), "keep": 0.0})
    names = ("teacher.d0", "teacher.d1", "ta1")
    assert dropping_of(settings, names).kept_share(names) == pytest.approx((1.0, 1.0, 0.0))
