"""The source of a pruned run: the finished run whose weights are removed, and the loss that tells which ones."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from dgkd_cache.config.tables import DistillationConfig
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.errors import InvalidInput
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.resolve import resolve_run
from dgkd_cache.workspace.tasks.model_setup import guide_loss_of, load_run, require_named, require_same_data
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["importance_loss", "load_source", "source_card"]


def source_card(ws: Workspace, pruning: Pruning, *, input_size: int | None) -> ModelCard:
    """Returns the card of the source. Raises what `resolve_run` and `load_card` raise, and Mismatch for other data.

    Raises Mismatch as `require_named`, before anything that the card names is imported.

    Raises InvalidInput for another `input_size` of the recipe than the source's, and for a source with published
    resizing in a workspace that holds samples out, whose images only the views' own resizing makes.
    """
    folder = resolve_run(ws, pruning.source)
    card = load_card(folder)
    require_named(ws, pruning.source, card)
    require_same_data(ws, card, folder, test=False)
    size = card.preprocess.input_size
    if input_size not in (None, size):
        raise InvalidInput(
            f"{pruning.source} cannot be pruned with another input size than its own",
            expected=f"training.input_size = {size}" if size else "no training.input_size",
            found=f"{input_size}",
            do="leave training.input_size out",
        )
    if card.preprocess.resizing is not None and ws.config.dataset.validation:
        raise InvalidInput(
            f"{pruning.source} cannot be pruned where samples are held out",
            expected="dataset.validation = 0, for a model that was adopted with published resizing",
            found=f"dataset.validation = {ws.config.dataset.validation}",
        )
    return card


def load_source(ws: Workspace, pruning: Pruning) -> nn.Module:
    """Returns the model of the source, on the CPU. Raises what `load_run` raises."""
    return load_run(ws, pruning.source)[0]


def importance_loss(distillation: DistillationConfig, pruning: Pruning) -> GuideLoss:
    """Returns the loss against one guide in the importance: that of the training, with the logits of [pruning]."""
    return replace(guide_loss_of(distillation), standardize=pruning.settings.standardize)
