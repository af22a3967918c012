"""Runs and stores as a listing finds them, over stores that the writer made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from dgkd_cache.workspace.listing import RunEntry, list_runs, list_stores
from dgkd_cache.workspace.workspace import Workspace

TEXT = '[views]\ntransforms = ["crop(1)"]\n[chain]\nteacher = "plain4"\nta1 = "plain4"\nstudent = "plain2"\n'


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.init(tmp_path, TEXT)


def test_a_new_workspace_lacks_its_chain(ws: Workspace) -> None:
    assert [(run.name, run.state, run.architecture) for run in list_runs(ws)] == [
        ("teacher", "missing", "plain4"),
        ("ta1", "missing", "plain4"),
        ("student", "missing", "plain2"),
    ]
    assert list_stores(ws) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "dgkd-model-card", "version": 1, "parameters": "x"}']
)
def test_a_card_that_says_nothing_is_damage_and_hides_no_other_run(ws: Workspace, text: str) -> None:
    folder = ws.run_folder("ta1")
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(text)
    runs = {run.name: run.state for run in list_runs(ws)}
    assert runs == {"teacher": "missing", "ta1": "damaged", "student": "missing"}


def test_a_run_that_was_begun(ws: Workspace) -> None:
    folder = ws.run_folder("extra")
    folder.mkdir(parents=True)
    (folder / "inputs.json").write_bytes(b"{}   ")
    views = ws.config.views.model_dump(mode="json", exclude={"decoder"})  # which no record has where it is Pillow
    values = {"dataset.validation": 0, **{f"views.{key}": value for key, value in views.items()}}
    text = json.dumps({key: json.dumps(value) for key, value in values.items()})
    (folder / "inputs.json").write_text(text)
    assert list_runs(ws)[-1] == RunEntry(name="extra", state="begun", nbytes=len(text), settings={"method": "scratch"})
    (folder / "inputs.json").write_bytes(b"{}   ")
    assert list_runs(ws)[-1].state == "stale"
    (folder / "checkpoint.safetensors").write_bytes(b"12345")
    entry = list_runs(ws)[-1]
    assert (entry.state, entry.nbytes) == ("damaged", 10) and "checkpoint.safetensors" in entry.why


def test_stores_whole_unfinished_and_refused(
    ws: Workspace, three_guides: list[Path], dump: Callable[..., Path], make_tiny: Callable[..., nn.Module]
) -> None:
    guides = ws.folder / "guides"
    shutil.copytree(three_guides[0], guides / "teacher.zarr")
    dump(guides / "ta1.zarr", make_tiny(1), mine=range(1, 3))
    shutil.copytree(three_guides[1], guides / "odd.zarr")
    (guides / "odd.zarr" / "zarr.json").write_text("{")
    shutil.copytree(three_guides[1], guides / "emptied.zarr")
    digests = [path for path in (guides / "emptied.zarr" / "digest").rglob("*") if path.name != "zarr.json"]
    next(path for path in digests if path.is_file()).unlink()
    whole, unfinished, *refused = list_stores(ws)
    assert (whole.name, whole.state, whole.views, whole.views_done) == ("teacher", "sealed", (0, 3), 3)
    assert whole.nbytes == sum(path.stat().st_size for path in guides.glob("teacher.zarr/**/*") if path.is_file())
    assert (unfinished.name, unfinished.state, unfinished.views_done) == ("ta1", "incomplete", 2)
    assert unfinished.seal is None
    assert [(store.name, store.state) for store in refused] == [("emptied", "refused"), ("odd", "refused")]
    assert "expected" in refused[0].why and "zarr.json" in refused[1].why
