"""Whether a finished model belongs to the workspace's data and view plan."""

from __future__ import annotations

from dgkd_cache.errors import Mismatch
from dgkd_cache.models.card import ModelCard
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["require_same_data"]


def require_same_data(ws: Workspace, card: ModelCard, model: str) -> None:
    """A model is dumped and scored on the data that it was trained on, under the plan of its training."""
    dataset, plan = ws.dataset(), ws.plan()
    for what, here, there in (
        ("data set", dataset.train.digest, card.dataset.get("digest", "")),
        ("view plan", plan.digest, card.plan_digest),
    ):
        if here != there:
            raise Mismatch(
                f"the run {model} was trained on another {what}",
                expected=f"{what} {here[:16]}, as this workspace has it",
                found=f"{there[:16]}",
                do="undo the change to dgkd.toml or to the data, or train the model again",
            )
