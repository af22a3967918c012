"""Dumping a guide of a workspace: shares, ranges of views, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from support.disk import watched
from support.tiny_chain import Lines, content, dump, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import DgkdError, InvalidInput, Mismatch, UnknownName
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.resolve import resolve_guide
from dgkd_cache.workspace.tasks import dump_seconds
from dgkd_stores import GuideStore


def test_shares_of_a_dump(done, tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")
    train(ws, "teacher", architecture="resnet14", training=ws.config.training_for("teacher"))
    assert dump(ws, "teacher", shard=(1, 2)).seal is None
    assert dump(ws, "teacher", shard=(0, 2)).seal is not None
    assert {k: v for k, v in content(ws.folder).items() if "teacher" in k} == {
        k: v for k, v in content(done[0].folder).items() if "/teacher" in k
    }
    with pytest.raises(InvalidInput, match="no such share.*found 2/2"):
        dump(ws, "teacher", shard=(2, 2))


def test_more_shares_than_views(tmp_path: Path) -> None:
    """An array of jobs may be larger than the store: those without a view have nothing to do."""
    ws = workspace(tmp_path / "ws", training__epochs=1, views__count=2)
    train(ws, "teacher")
    left = [dump(ws, "teacher", shard=(share, 5)) for share in range(5)]
    assert [one.nbytes > 0 for one in left] == [False, False, True, True, True]
    assert [one.seal is not None for one in left] == [False] * 4 + [True]
    seal, before = left[-1].seal, content(ws.folder)
    assert dump(ws, "teacher", shard=(0, 5)).seal == seal and content(ws.folder) == before


def test_dumping_what_is_not_trained_or_was_trained_on_other_views(done) -> None:
    ws, _ = done
    with pytest.raises(UnknownName, match="'nobody'.*ls` lists them") as caught:
        dump(ws, "nobody")
    assert caught.value.exit_code == 2
    other = ws.with_config(with_overrides(ws.config, {"views.seed": 9}))
    with pytest.raises(Mismatch, match="trained on another view plan") as refused:
        dump(other, "teacher")
    assert isinstance(refused.value, DgkdError) and refused.value.exit_code == 13


def test_more_views_are_another_store_of_the_same_guide(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", training__epochs=1)
    train(ws, "teacher")
    first, more = dump(ws, "teacher"), dump(ws, "teacher", views=range(2, 4))
    assert [one.path.name for one in (first, more)] == ["teacher.zarr", "teacher-2-4.zarr"]
    assert dump(ws, "teacher", views=range(2, 4)).seal == more.seal
    assert ws.stores() == ("teacher", "teacher-2-4")
    with GuideStore.open(resolve_guide(ws, "teacher-2-4")) as store:
        assert (store.header.guide.name, store.views) == ("teacher", range(2, 4))
    four = ws.with_config(with_overrides(ws.config, {"views.count": 4}))
    both, said, fewer = [resolve_guide(ws, name) for name in ("teacher", "teacher-2-4")], Lines(), Lines()
    card = train(four, "student", guides=both, progress=said)
    train(ws, "fewer", guides=both, progress=fewer)
    unread = [line for line in (*said.lines, *fewer.lines) if "is not read" in line]
    assert unread == [f"{both[1]} is not read: it holds none of the 2 views of this run"]
    assert list(card.guides) == ["teacher"]
    assert card.guides["teacher"] == hashlib.sha256(f"{first.seal}{more.seal}".encode()).hexdigest()


def test_views_that_an_enumerated_plan_does_not_have(tmp_path: Path) -> None:
    settings = {"views__scheme": "enumerated", "views__schedule": "draw", "views__count": 18}
    ws = workspace(tmp_path / "ws", training__epochs=1, **settings)
    train(ws, "teacher")
    with pytest.raises(InvalidInput, match="one of the 18 enumerated views"):
        dump(ws, "teacher", views=range(17, 19))
    assert not (ws.folder / "guides").exists()


def test_no_views_are_no_store(done) -> None:
    ws, _ = done
    for views in (range(0), range(5, 5)):
        with pytest.raises(InvalidInput, match="no views to write"):
            dump(ws, "teacher", views=views)
        assert not ws.store_path("teacher", views).exists()


def test_the_time_of_dumps_stands_in_no_way(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", training__epochs=1)
    train(ws, "teacher")
    file = ws.run_folder("teacher") / "dump_seconds.txt"
    file.write_text("")  # as a full disk used to leave it
    assert dump_seconds(file.parent) is None
    assert chain_rows(ws)[0].dump_seconds is None
    dump(ws, "teacher", shard=(0, 2))
    once = file.read_text()
    assert 0 < float(once) < 600
    dump(ws, "teacher", shard=(0, 2))
    assert file.read_text() == once, "nothing was written"
    refused: list[str] = []

    def full(call: str, path: Path) -> None:
        if call == "write" and path.name.startswith("dump_seconds"):
            refused.append(path.name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with watched(full):
        assert dump(ws, "teacher").seal is not None
    assert refused
    assert file.read_text() == once
    assert {path.name for path in file.parent.glob("dump_seconds*")} == {file.name}
    assert dump(ws, "teacher", views=range(7, 9)).seal is not None
    assert chain_rows(ws)[0].dump_seconds == float(once), "`run` shows the time of the store that it uses"
