"""A model over ranks: batch norm of the whole batch on GPUs only, and parameters that DDP could not average."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dgkd_cache.distributed.ddp import convert_batch_norm, require_gradients, wrap_ddp
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput

CPU, GPU, TWO = torch.device("cpu"), torch.device("cuda", 0), Ranks(world=2)


def test_batch_norm_sees_the_whole_batch_where_torch_can() -> None:
    def kinds(device: torch.device, ranks: Ranks) -> list[type[nn.Module]]:
        converted = convert_batch_norm(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), device, ranks)
        return [type(module) for module in converted.children()]

    assert kinds(GPU, TWO) == [nn.Conv2d, nn.SyncBatchNorm]
    assert kinds(CPU, TWO) == kinds(GPU, ALONE) == [nn.Conv2d, nn.BatchNorm2d]


def test_one_process_trains_the_model_itself() -> None:
    model = nn.Linear(2, 2)
    assert wrap_ddp(model, CPU, ALONE) is model


def test_parameters_without_a_part_in_the_loss_are_named_among_ranks() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 1), "idle": nn.Linear(2, 1), "frozen": nn.Linear(2, 1)})
    model["frozen"].requires_grad_(False)
    model["used"](torch.ones(1, 2)).sum().backward()
    with pytest.raises(InvalidInput, match="found none for idle.weight, idle.bias; set requires_grad"):
        require_gradients(model, TWO)
    require_gradients(model, ALONE)
    model["idle"].requires_grad_(False)
    require_gradients(model, TWO)
