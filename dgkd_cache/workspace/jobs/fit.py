"""A finished model in this workspace: whether it belongs to the data here, and ready to be forwarded."""

from __future__ import annotations

import torch
from torch import nn

from dgkd_cache.compute import place
from dgkd_cache.errors import Mismatch
from dgkd_cache.models.card import ModelCard
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["ready", "require_same_data"]


def ready(model: nn.Module, card: ModelCard, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """(the model, its preprocessing) on the device, in evaluation mode and in the memory format it was trained in."""
    channels_last = bool(card.training.get("channels_last", True))
    transform = card.preprocess.module(channels_last=channels_last).to(device)
    return place(model, device, channels_last=channels_last).eval(), transform


def require_same_data(ws: Workspace, card: ModelCard, model: str) -> None:
    """Raises Mismatch unless the model was trained on the data set, view plan and validation split of the workspace."""
    dataset, plan = ws.dataset(), ws.plan()
    for what, here, there in (
        ("data set", dataset.train.digest, card.dataset.get("digest", "")),
        ("view plan", plan.digest, card.plan_digest),
        ("validation split", f"{ws.config.dataset.validation} samples", f"{card.training.get('validation')} samples"),
    ):
        if here != there:
            raise Mismatch(
                f"the run {model} was trained on another {what}",
                expected=f"{what} {here[:16]}, as this workspace has it",
                found=there[:16],
                do="undo the change to dgkd.toml or to the data, or train the model again",
            )
