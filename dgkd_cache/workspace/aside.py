"""Moving a run or its stores out of the way, so that the name is free and nothing is lost."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from dgkd_cache.run_files import DUMP_SECONDS_FILE
from dgkd_cache.workspace.run_lock import run_lock
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["move_aside", "set_aside"]


def set_aside(ws: Workspace, name: str, *, stores_only: bool = False) -> Path | None:
    """Moves the run called `name` and all its stores, or only those, to `aside/NAME-K`; None where nothing is there.

    Raises StoreLocked while another process works on the run.
    """
    run = ws.run_folder(name)
    with run_lock(run, name) if run.exists() else nullcontext():
        return move_aside(ws, name, stores_only=stores_only)


def move_aside(ws: Workspace, name: str, *, stores_only: bool = False) -> Path | None:
    """`set_aside` for whoever holds the run's lock."""
    run = ws.run_folder(name)
    # A time of dumps belongs to the stores, although it lies beside the run (see `dump_seconds`).
    sources = [run / DUMP_SECONDS_FILE if stores_only else run, *ws.stores_of(name)]
    there = [source for source in sources if source.exists()]
    if not there:
        return None
    number = 1
    while (target := ws.folder / "aside" / f"{name}-{number}").exists():
        number += 1
    target.mkdir(parents=True)
    for source in there:
        source.rename(target / source.name)
    return target
