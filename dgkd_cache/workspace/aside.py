"""Moving a run or a store out of the way, so that its name is free and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.workspace.workspace import Workspace

__all__ = ["set_aside"]


def set_aside(ws: Workspace, name: str) -> Path | None:
    """Moves the run and the store called `name` to `aside/NAME-K`, so that the name is free and nothing is lost."""
    run, store = ws.run_folder(name), ws.store_path(name)
    if not run.exists() and not store.exists():
        return None
    number = 1
    while (target := ws.folder / "aside" / f"{name}-{number}").exists():
        number += 1
    target.mkdir(parents=True)
    for source in (run, store):
        if source.exists():
            source.rename(target / source.name)
    return target
