"""Adopts weights in a workspace, as `dgkd-cache adopt` does without further options."""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.progress import Silent
from dgkd_cache.workspace.tasks.adopt import Adopted, adopt_model
from dgkd_cache.workspace.tasks.adoption_options import AdoptRequest
from dgkd_cache.workspace.workspace import Workspace


def adopt(ws: Workspace, architecture: str, weights: Path | None, name: str = "big", **given: object) -> Adopted:
    ws = Workspace.open(ws.folder).naming([architecture])
    request = AdoptRequest(name=name, architecture=architecture, weights=weights, **given)  # type: ignore[arg-type]
    return adopt_model(ws, request, device="cpu", progress=Silent())
