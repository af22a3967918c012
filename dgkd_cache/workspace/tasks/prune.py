"""Prunes one finished run to several sparsities, each a run of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from dgkd_cache.device.device import resolve_device
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.progress import Progress, Silent
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.tasks.finished import require_same_inputs
from dgkd_cache.workspace.tasks.run_setup import TrainRequest, refuse_own_guide, set_up_run
from dgkd_cache.workspace.tasks.train import train_model
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["prune_model"]


def prune_model(
    ws: Workspace,
    requests: Sequence[TrainRequest],
    *,
    take_over: bool = False,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks = ALONE,
) -> list[ModelCard]:
    """Trains the runs of `requests`, which have `pruning`, and returns their cards in that order.

    Each is a run as of `train_model`: finished ones are kept, a begun one continues. All are set up before the first
    is trained, so that what the last one would be refused for is told at once. All of `ranks` must call this. Raises
    what `train_model` raises.
    """
    ws = ws.stopping(stop) if ranks.alone else ws  # as for training
    where = resolve_device(ranks.device(device))
    with ranks.join(where):
        for request in requests:
            _require_startable(ws, request, where, ranks)
        how: dict[str, Any] = {"take_over": take_over, "device": device, "progress": progress, "stop": stop}
        return [train_model(ws, request, ranks=ranks, **how) for request in requests]


def _require_startable(ws: Workspace, request: TrainRequest, device: torch.device, ranks: Ranks) -> None:
    """Raises what `train_model` would raise before its first step; nothing is written."""
    assert request.pruning is not None, "what is not pruned is trained by train_model"
    with ExitStack() as opened:
        if request.fresh:
            refuse_own_guide(ws, request)
        run = set_up_run(ws, request, opened, device, Silent(), ranks)
        folder = ws.run_folder(request.name)
        before = None if request.fresh else record.read_inputs(folder)
        if before is not None:
            require_same_inputs(folder, request.name, before, run.inputs)
