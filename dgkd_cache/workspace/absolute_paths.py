"""The settings of a workspace that are paths, made absolute: a study has them in a workspace of its own."""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores.disk import expand_user

__all__ = ["absolute_paths"]


def absolute_paths(ws: Workspace) -> dict[str, object]:
    """Returns, by key, the settings that are or have paths, so that they hold for another folder too."""
    sharing = ws.config.sharing
    paths = {"dataset.root": ws.data_root, "dataset.align": ws.aligned_with, "dataset.class_map": ws.class_map}
    if sharing.allowed_signers is not None:
        paths["sharing.allowed_signers"] = _within(ws, sharing.allowed_signers)
    found: dict[str, object] = {"dataset.name": ws.dataset_name}
    found |= {key: str(path.resolve()) for key, path in paths.items() if path is not None}
    if sharing.keys:
        found["sharing.keys"] = [
            key if key.lstrip().startswith("ssh-") else str(_within(ws, key).resolve()) for key in sharing.keys
        ]
    return found


def _within(ws: Workspace, path: str) -> Path:
    return ws.folder / expand_user(path)
