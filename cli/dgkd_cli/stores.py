"""Finds the store of a NAME or PATH, in any state, damaged or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dgkd_cli.app import App
from dgkd_stores.disk import as_store_path

if TYPE_CHECKING:
    from dgkd_cache.workspace.workspace import Workspace

__all__ = ["store_at", "workspace_for"]


def store_at(app: App, text: str) -> Path:
    """Returns a path unchanged, without a workspace; else the store of that name. Raises StoreNotFound."""
    from dgkd_cache.workspace.resolve import resolve_guide

    path = as_store_path(text)
    return resolve_guide(app.workspace(), text) if path is None else path


def workspace_for(app: App, store: Path, architectures: Sequence[str] = ()) -> Workspace | None:
    """Returns the workspace of a store, else the one of `-w`; None without `-w` if the current folder is not one.

    `architectures` are those that flags name.
    """
    from dgkd_cache.config.workspace_config import CONFIG_NAME

    folder = store.absolute().parent.parent
    if store.absolute().parent.name == "guides" and (folder / CONFIG_NAME).is_file():
        return app.workspace(architectures, folder=folder)
    nowhere = app.folder == Path(".") and not app.has_workspace
    return None if nowhere else app.workspace(architectures)
