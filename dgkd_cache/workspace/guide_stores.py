"""The guides that later models of a chain have of a model: itself, or its draws where `cache.draws` asks for them."""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import draw_name

__all__ = ["guide_stores", "guides_with_stores"]


def guide_stores(ws: Workspace, name: str) -> dict[str, Path]:
    """Returns the guides that a model of the chain is, each with the path of its store, which need not exist.

    A store from elsewhere is one guide, whatever `cache.draws` says.
    """
    draws = ws.config.cache.draws
    if not draws or ws.member(name).kind == "store":
        return {name: ws.store_path(name)}
    return {draw_name(name, draw): ws.store_path(name, draw=draw) for draw in range(draws)}


def guides_with_stores(ws: Workspace, name: str, method: str | None = None) -> dict[str, Path]:
    """Returns the guides of a model of the chain with their stores; `method` is as for `Workspace.guides_for`."""
    return {guide: path for model in ws.guides_for(name, method) for guide, path in guide_stores(ws, model).items()}
