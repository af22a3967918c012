"""A chain that is killed anywhere is gone on with by the same command, to the bytes of an undisturbed one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.chain_kills import in_folder, kill_at_random_moments, kill_remakes, points_of
from support.dying import in_child
from support.tiny_chain import content, dump, run, workspace

from dgkd_cache.workspace.workspace import Workspace

CHAIN = 'teacher = "plain2"\nstudent = "plain2"'
DIGITS = """
[dataset]
name = "digits"
[views]
transforms = ["none"]
count = 1
[chain]
teacher = "plain2"
student = "plain2"
[training]
epochs = 1
precision = "float32"
channels_last = false
[cache]
precision = "float32"
"""
REMAKES = {
    "the run and its store": {"training__epochs": 3},
    "the store alone": {"cache__encoding": "float32"},
}


@pytest.fixture
def ws(tmp_path: Path, tiny_bars: None) -> Workspace:
    """A finished chain of two, with a store of other views of its teacher."""
    ws = workspace(tmp_path / "ws", chain=CHAIN, training__epochs=1, views__count=1)
    ws.dataset()
    assert in_child(lambda: run(ws)) == 0
    assert in_child(lambda: dump(ws, "teacher", views=range(1, 2))) == 0
    return ws


def remade(ws: Workspace, tmp_path: Path, changes: dict[str, object]) -> tuple[Path, list[str]]:
    """A workspace after a remake that nobody killed, and the changes of the disk that this took."""
    reference = tmp_path / "reference"
    names = points_of(ws, reference, **changes)
    assert content(reference) != content(ws.folder)
    return reference, names


@pytest.mark.parametrize("what", REMAKES)
def test_a_remake_killed_at_its_renames(ws: Workspace, tmp_path: Path, what: str) -> None:
    reference, names = remade(ws, tmp_path, REMAKES[what])
    renames = [point for point, name in enumerate(names, 1) if name == "rename"]
    assert len(renames) >= 10
    # The first are locks and what is moved aside; the others come with the training and the dumps.
    chosen = [*renames[:6], renames[-1]]
    assert kill_remakes(ws, reference, tmp_path, chosen, **REMAKES[what]) == len(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("what", REMAKES)
def test_a_remake_killed_at_every_change_of_the_disk(ws: Workspace, tmp_path: Path, what: str) -> None:
    reference, names = remade(ws, tmp_path, REMAKES[what])
    assert len(names) >= 60 and {"rename", "unlink", "mkdir", "write", "replace"} <= set(names)
    print(len(names), "points")
    assert kill_remakes(ws, reference, tmp_path, range(1, len(names) + 1), **REMAKES[what]) == len(names)


@pytest.mark.slow
def test_a_chain_killed_at_random_moments(tmp_path: Path) -> None:
    ws = Workspace.init(tmp_path / "ws", DIGITS)
    ws.dataset()
    seen = kill_at_random_moments(ws, tmp_path, seed=1, kills=200)
    print(dict(seen))
    assert seen["kills"] >= 200 and seen["left a lock"] >= 50 and seen["left a checkpoint"] >= 10


def test_a_store_without_its_run_is_set_aside(ws: Workspace, tmp_path: Path) -> None:
    """A workspace as an earlier version left it when its remake was killed."""
    changed = in_folder(ws, ws.folder, training__epochs=3)
    (ws.run_folder("teacher")).rename(tmp_path / "moved")
    rows = run(changed, remake=True)
    assert {row.state for row in rows} == {"done"}
    assert (ws.folder / "aside" / "teacher-1" / "teacher.zarr" / "zarr.json").is_file()
