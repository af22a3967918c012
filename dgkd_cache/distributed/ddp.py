"""Data-parallel training of a model: DDP averages gradients, and batch norm uses the whole batch on GPUs.

A single process trains the model unchanged.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.errors import InvalidInput

__all__ = ["wrap_ddp", "convert_batch_norm", "require_gradients"]


def convert_batch_norm(model: nn.Module, device: torch.device, ranks: Ranks) -> nn.Module:
    """Returns the model to train; on GPUs its batch norm is replaced by SyncBatchNorm.

    torch has none for CPUs, where each rank's statistics are those of its share.
    """
    if ranks.alone or device.type != "cuda":
        return model
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return converted


def wrap_ddp(model: nn.Module, device: torch.device, ranks: Ranks) -> nn.Module:
    """Returns the module to forward: its gradients are averaged over the ranks, its buffers are the first rank's."""
    if ranks.alone:
        return model
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def require_gradients(model: nn.Module, ranks: Ranks) -> None:
    """Raises InvalidInput if a parameter got no gradient in the first step: DDP cannot average such a model."""
    idle = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    if idle and not ranks.alone:
        raise InvalidInput(
            "several ranks cannot train this model",
            expected="a part in the loss for each of its parameters",
            found=f"none for {', '.join(idle[:5])}",
            do="set requires_grad = False for what is not trained, or train in one process, without torchrun",
        )
