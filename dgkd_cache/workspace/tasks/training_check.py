"""Checks the settings of a model of the chain before anything is trained or measured: `run` and `plan` refuse alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dgkd_cache.distributed.ranks import ALONE
from dgkd_cache.guides.topk_rows import require_all_classes
from dgkd_cache.progress import Silent
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.tasks.model_setup import check_mixing, guide_loss_of, schedule_kind
from dgkd_cache.workspace.tasks.row_settings import OTHER_LOSS, require_rows_for
from dgkd_cache.workspace.tasks.run_guides import open_guides
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["check_given_stores", "check_training"]


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


def check_given_stores(ws: Workspace, models: Sequence[str]) -> None:
    """Checks each store from elsewhere that `models` learn from, as their training will: data, views, pixels, losses.

    Raises what `GuideBank` raises, Mismatch for a signature that [sharing] requires, and InvalidInput for a guide loss
    that needs more than rows of `topk` have.
    """
    taught = {guide for name in models for guide in ws.guides_for(name)}
    paths = {name: ws.store_path(name) for name in ws.chain if name in taught and ws.member(name).kind == "store"}
    if not paths:
        return
    with open_guides(
        ws,
        ViewRenderer(ws.plan(), ws.dataset().train),
        [*paths.values()],
        [],
        ws.config.distillation.temperature or ws.config.cache.temperature,
        names=[*paths],
        device=torch.device("cpu"),
        begun={},
        progress=Silent(),  # training says the same
        ranks=ALONE,
    ) as guidance:
        if guidance is not None:
            require_all_classes(guide_loss_of(ws.config.distillation), guidance.topk_names, do=OTHER_LOSS)
