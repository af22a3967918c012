"""Setting aside: a run with all its stores, or the stores alone, and nothing of any other model."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.errors import Locked
from dgkd_cache.workspace.archive import archive_run
from dgkd_cache.workspace.run_lock import run_lock
from dgkd_cache.workspace.workspace import Workspace

TEXT = '[views]\ntransforms = ["none"]\n[chain]\nta1 = "plain4"\nta1-0-2 = "plain2"\n'


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    ws = Workspace.init(tmp_path, TEXT)
    for file in (
        "runs/ta1/card.json",
        "runs/ta1/dump_seconds.txt",
        "guides/ta1.zarr/zarr.json",
        "guides/ta1-40-60.zarr/zarr.json",
        "guides/ta1-0-2.zarr/zarr.json",
        "guides/ta10.zarr/zarr.json",
    ):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return ws


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_goes_with_all_its_stores(ws: Workspace) -> None:
    before = {path.read_text() for path in ws.folder.rglob("*") if path.is_file()}
    assert archive_run(ws, "ta1") == ws.folder / "aside" / "ta1-1"
    assert files(ws.folder / "aside" / "ta1-1") == {
        "ta1/card.json",
        "ta1/dump_seconds.txt",
        "ta1.zarr/zarr.json",
        "ta1-40-60.zarr/zarr.json",
    }
    assert files(ws.folder / "guides") == {"ta1-0-2.zarr/zarr.json", "ta10.zarr/zarr.json"}
    assert files(ws.folder / "runs") == set()
    assert {path.read_text() for path in ws.folder.rglob("*") if path.is_file()} == before
    assert archive_run(ws, "ta1") is None


def test_stores_alone_leave_the_run(ws: Workspace) -> None:
    assert archive_run(ws, "ta1", stores_only=True) == ws.folder / "aside" / "ta1-1"
    assert files(ws.folder / "runs") == {"ta1/card.json"}
    assert files(ws.folder / "aside" / "ta1-1") == {
        "dump_seconds.txt",
        "ta1.zarr/zarr.json",
        "ta1-40-60.zarr/zarr.json",
    }
    assert archive_run(ws, "ta1") == ws.folder / "aside" / "ta1-2"


def test_not_under_another_process(ws: Workspace) -> None:
    before = files(ws.folder)
    with run_lock(ws.run_folder("ta1"), "ta1"), pytest.raises(Locked, match="works on the run ta1"):
        archive_run(ws, "ta1")
    assert files(ws.folder) == before
