"""Moves a run or its stores to `aside/`, so that the name is free and nothing is lost.

After a kill, the next `run --remake` or `train --fresh` moves the rest, perhaps to another folder: the run or the store
of all views, which shows that they are stale, is moved last.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, nullcontext
from pathlib import Path

from dgkd_cache.paths import DUMP_SECONDS_FILE
from dgkd_cache.workspace.run_lock import run_lock
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores.disk import ALL_VIEWS, Stop, ViewLock, full_disk, make_folder, never, sync_folder

__all__ = ["archive_held_run", "archive_run"]


def archive_run(
    ws: Workspace, name: str, *, stores_only: bool = False, take_over: bool = False, stop: Stop = never
) -> Path | None:
    """Moves the run called `name` and all its stores, or only those, to `aside/NAME-K`; returns None if there are none.

    Raises Locked, before anything is moved, if another process works on the run or writes one of the stores
    (`take_over` takes over one on another host or container).
    """
    run = ws.run_folder(name)
    with run_lock(run, name, take_over=take_over, stop=stop) if os.path.lexists(run) else nullcontext():
        return archive_held_run(ws, name, stores_only=stores_only, take_over=take_over, stop=stop)


def archive_held_run(
    ws: Workspace, name: str, *, stores_only: bool = False, take_over: bool = False, stop: Stop = never
) -> Path | None:
    """Does what `archive_run` does, for a caller who holds the run's lock."""
    run, stores = ws.run_folder(name), ws.stores_of(name)
    # The time of dumps belongs to the stores, although its file is in the run's folder (see `dump_seconds`).
    sources = [run / DUMP_SECONDS_FILE, *stores] if stores_only else [*stores, run]
    last = ws.store_path(name) if stores_only else run
    there = sorted(filter(os.path.lexists, sources), key=lambda source: source == last)
    if not there:
        return None
    with ExitStack() as held, full_disk(ws.folder / "aside"):
        for store in stores:
            held.enter_context(ViewLock(store, ALL_VIEWS, guide="", take_over=take_over, stop=stop))
        target = _free(ws.folder / "aside", name)
        make_folder(target)
        for source in there:
            os.rename(source, target / source.name)
            # Synced in that order, too: a power failure must not keep a later rename and lose an earlier one.
            sync_folder(target)
            sync_folder(source.parent)
    return target


def _free(aside: Path, name: str) -> Path:
    """Returns the first `NAME-K` that does not exist or is an empty folder, as after a kill."""
    number = 1
    while os.path.lexists(target := aside / f"{name}-{number}") and not _is_empty(target):
        number += 1
    return target


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not os.listdir(path)
