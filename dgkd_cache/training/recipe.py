"""The recipe of one run with nothing left to `auto`.

What a begun run recorded stands, whatever machine goes on with it: a second measurement must not make it stale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch

from dgkd_cache.compute import choose
from dgkd_cache.ranks import ALONE, Ranks
from dgkd_cache.settings import TrainingConfig

__all__ = ["settled"]


def settled(
    training: TrainingConfig,
    device: torch.device,
    *,
    begun: Mapping[str, str] | None = None,
    ranks: Ranks = ALONE,
) -> TrainingConfig:
    """The same with `precision` and `channels_last` chosen: as `begun`, a run's record, has them, else the fastest.

    All of `ranks` call this and are given what the first one finds.
    """
    precision, channels_last = training.precision, training.channels_last
    recorded = _recorded(begun or {}, "precision"), _recorded(begun or {}, "channels_last")
    if precision == "auto" and recorded[0] in ("float32", "bf16"):
        precision = recorded[0]
    if channels_last == "auto" and isinstance(recorded[1], bool):
        channels_last = recorded[1]
    chosen = choose(device, precision=precision, channels_last=channels_last, ranks=ranks)
    return training.model_copy(update={"precision": chosen.precision, "channels_last": chosen.channels_last})


def _recorded(begun: Mapping[str, str], key: str) -> object:
    try:
        return json.loads(begun.get(f"training.{key}", "null"))
    except ValueError:
        return None  # edited by hand: the comparison of the records names it
