"""Resolves `auto` in the recipe of a run.

A begun run keeps its recorded choice on any machine: another processor must not make it stale.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.device.autotune import Combination
from dgkd_cache.device.device import choose, unit_of
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.workspace.expected_inputs import as_recorded

__all__ = ["describe_choice", "input_choice", "resolve_recipe"]


def resolve_recipe(
    training: TrainingConfig,
    device: torch.device,
    *,
    begun: Mapping[str, str] | None = None,
    ranks: Ranks = ALONE,
) -> TrainingConfig:
    """Returns the recipe with `precision` and `channels_last` chosen: from `begun`, a run's record, else by the device.

    All of `ranks` must call this, and get the first rank's choice.
    """
    training = as_recorded(training, begun or {})
    precision, channels_last = training.precision, training.channels_last
    chosen = choose(device, precision=precision, channels_last=channels_last, broadcast=ranks.broadcast)
    return training.model_copy(update={"precision": chosen.precision, "channels_last": chosen.channels_last})


def describe_choice(
    training: TrainingConfig, asked: TrainingConfig, device: torch.device, *, begun: Mapping[str, str] | None = None
) -> str:
    """Describes the precision and memory format of `training`, with the reason."""
    chosen = Combination(precision=training.precision, channels_last=bool(training.channels_last))
    if "auto" not in (asked.precision, asked.channels_last):
        return f"{chosen}: as the recipe says"
    return f"{chosen}: {'as the run was begun' if begun else f'auto on {unit_of(device)}'}"


def input_choice(architecture: str, training: TrainingConfig) -> str:
    """Returns the reason for the size to which views are resized, and how to choose another."""
    if training.input_size is not None:
        return "training.input_size"
    return f"what {architecture} was made for; training.input_size chooses another"
