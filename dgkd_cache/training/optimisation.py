"""Optimisers and learning-rate schedules; the rate is a pure function of the step, so it needs no saved state."""

from __future__ import annotations

import math

import torch
from torch import nn

from dgkd_cache.config.tables import TrainingConfig

__all__ = ["build_optimizer", "learning_rate"]


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Builds SGD with momentum, or AdamW, over all parameters (weight decay on all, as in the papers' recipes)."""
    if config.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        model.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )


def learning_rate(config: TrainingConfig, step: int, steps_per_epoch: int) -> float:
    """Returns the learning rate of global step `step` (from 0).

    Linear warm-up over `warmup_epochs`; then `step` multiplies by `lr_gamma` when the epoch reaches each fraction of
    `epochs` in `lr_steps`, `cosine` falls from `lr` to 0 over the whole run (Loshchilov & Hutter 2017), and `constant`
    stays.
    """
    warmup = config.warmup_epochs * steps_per_epoch
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.lr_schedule == "cosine":
        total = config.epochs * steps_per_epoch
        return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))
    if config.lr_schedule == "step":
        epoch = step // steps_per_epoch
        # The margin allows for rounding of binary fractions: 0.29 of 100 epochs is 29, not 28.99...
        passed = sum(epoch >= fraction * config.epochs - 1e-9 for fraction in config.lr_steps)
        return config.lr * config.lr_gamma**passed
    return config.lr
