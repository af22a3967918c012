"""The start of a pruned run: the weights that are kept of its source, and what its card says of them.

Which weights are kept is decided once, before the first step; the checkpoints have it from then on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.config.tables import DistillationConfig
from dgkd_cache.device.device import place
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_cache.models.prunable import prunable_weights
from dgkd_cache.paths import CHECKPOINT_FILE
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import PRUNING
from dgkd_cache.training.importance import gradient_importance, kept_weights, magnitudes
from dgkd_cache.training.masks import Masks
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.tasks.pruned_source import importance_loss
from dgkd_cache.workspace.tasks.run_setup import RunSetup, TrainRequest
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["choose_kept", "pruning_record"]


def choose_kept(
    ws: Workspace,
    request: TrainRequest,
    run: RunSetup,
    model: nn.Module,
    preprocess: nn.Module,
    samples_N: NDArray[np.int64],
    *,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks,
) -> dict[str, Tensor]:
    """Returns which weights of the source's model are kept, bool by name, on the CPU; all ranks get the first one's.

    A run that goes on from a checkpoint has its masks from there: then all weights are kept here. Batches are those of
    the first steps of the run itself, in its order and views, at `pruning.batch_size`. Under guides all of them take
    part at every step.
    """
    pruning = request.pruning
    assert pruning is not None, "a pruned run"
    weights = prunable_weights(model)
    goes_on = not request.fresh and os.path.lexists(ws.run_folder(request.name) / CHECKPOINT_FILE)
    keep = {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()}
    if ranks.broadcast(goes_on):
        return keep
    if ranks.first:
        importance = _importance(request, pruning, run, model, preprocess, samples_N, progress, stop)
        keep = kept_weights(importance, pruning.sparsity)
        _tell(request.name, keep, progress)
    ranks.broadcast_tensors(keep.values())
    return keep


def pruning_record(pruning: Pruning, weights: str, masks: Masks) -> dict[str, Any]:
    """Returns what a card's `training` says of the pruning; `weights` is the digest of the source's."""
    kept = masks.kept
    return {
        PRUNING: {
            "source": pruning.source,
            "weights": weights,
            **pruning.importance,
            "sparsity": pruning.sparsity,
            "weights_kept": sum(left for left, _ in kept.values()),
            "weights_of": sum(count for _, count in kept.values()),
            "layers": {name: {"kept": left, "of": count} for name, (left, count) in kept.items()},
        }
    }


def _importance(
    request: TrainRequest,
    pruning: Pruning,
    run: RunSetup,
    model: nn.Module,
    preprocess: nn.Module,
    samples_N: NDArray[np.int64],
    progress: Progress,
    stop: Callable[[], bool],
) -> dict[str, Tensor]:
    settings, training = pruning.settings, run.training
    if settings.criterion == "magnitude":
        return magnitudes(model)
    inputs = StepInputs(
        views=run.views,
        samples_N=samples_N,
        schedule=run.schedule,
        random=run.random,
        guidance=run.guidance if settings.criterion == "guided" else None,
        dropping=Dropping(kind="none"),
        batch_size=settings.batch_size,
        order=training.order,
        workers=training.workers,
        device=run.device,
    )
    return gradient_importance(
        place(model, run.device, channels_last=bool(training.channels_last)),
        preprocess,
        inputs,
        steps=settings.steps,
        loss=_loss(request.distillation, importance_loss(request.distillation, pruning)),
        what=f"importance of {request.name}",
        progress=progress,
        stop=stop,
    )


def _loss(distillation: DistillationConfig, guide_loss: GuideLoss) -> Callable[[GuidedBatch, Tensor], Tensor]:
    def loss(batch: GuidedBatch, logits_BC: Tensor) -> Tensor:
        parts = batch.loss_parts(
            logits_BC, objective=distillation.objective, lambda_=distillation.lambda_, guide_loss=guide_loss
        )
        return parts.loss

    return loss


def _tell(name: str, keep: Mapping[str, Tensor], progress: Progress) -> None:
    """Reports how many weights are removed, and warns of each layer of which none is left."""
    every = sum(mask.numel() for mask in keep.values())
    left = {layer: int(mask.sum()) for layer, mask in keep.items()}
    progress.say(f"{name}: {every - sum(left.values()):,} of {every:,} weights are removed")
    for layer, count in left.items():
        if not count:
            progress.warn(
                f"{name}: all {keep[layer].numel():,} weights of {layer} are removed: that layer passes nothing on; "
                "a lower sparsity, or another criterion, keeps some"
            )
