"""The store or the run of a name, and what an error says to do where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny_chain import workspace

from dgkd_cache.errors import Incomplete, StoreNotFound, UnknownName
from dgkd_cache.workspace.resolve import resolve_guide, resolve_run
from dgkd_cache.workspace.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return workspace(tmp_path / "w")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_a_guide_is_found_by_name_or_by_path(ws: Workspace, tmp_path: Path) -> None:
    touch(ws.store_path("teacher") / "zarr.json")
    elsewhere = touch(tmp_path / "other" / "big.zarr" / "zarr.json").parent
    assert resolve_guide(ws, "teacher") == ws.store_path("teacher")
    assert resolve_guide(ws, str(elsewhere)) == elsewhere


def test_a_guide_that_is_not_there_says_how_to_make_it(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreNotFound, match=rf"`dgkd-cache -w {ws.folder} run`") as refused:
        resolve_guide(ws, "ta1")
    assert refused.value.exit_code == 10
    monkeypatch.chdir(ws.folder)
    with pytest.raises(StoreNotFound, match="`dgkd-cache run` trains and dumps the whole chain"):
        resolve_guide(ws, "ta1")
    touch(ws.store_path("teacher") / "zarr.json")
    with pytest.raises(StoreNotFound, match=r"'techer': expected one of teacher; `dgkd-cache ls`"):
        resolve_guide(ws, "techer")
    with pytest.raises(StoreNotFound, match="no guide store at nowhere/x.zarr"):
        resolve_guide(ws, "nowhere/x.zarr")


def test_only_a_finished_run_can_guide_live(ws: Workspace) -> None:
    with pytest.raises(UnknownName, match="did you mean teacher"):
        resolve_run(ws, "techer")
    with pytest.raises(Incomplete, match=r"'ta1' is not trained.*dgkd-cache -w .* run`") as refused:
        resolve_run(ws, "ta1")
    assert refused.value.exit_code == 3
    touch(ws.run_folder("ta1") / "card.json")
    assert resolve_run(ws, "ta1") == ws.run_folder("ta1")
