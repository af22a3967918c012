"""Checks the settings of a model of the chain before anything is trained or measured: `run` and `plan` refuse alike."""

from __future__ import annotations

from dgkd_cache.workspace.tasks.model_setup import check_mixing, schedule_kind
from dgkd_cache.workspace.tasks.row_settings import require_rows_for
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["check_training"]


def check_training(ws: Workspace, name: str) -> None:
    """Checks the schedule, the guide loss and the temperature of a model that is trained here; loads the data set.

    Raises InvalidInput for a schedule that cannot be followed, and for a guide loss or a temperature that views which
    mix samples, or rows of `topk`, do not allow.
    """
    settings, guides = ws.config.distillation, ws.guides_for(name)
    schedule_kind(ws, name, ws.config.training_for(name), guided=bool(guides))
    check_mixing(ws, settings, guided=bool(guides))
    if dumped := [guide for guide in guides if ws.member(guide).kind != "store"]:
        require_rows_for(settings, ws.config.cache, model=name, guides=dumped)
