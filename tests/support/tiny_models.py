"""Small networks by name, for the tests of models."""

from __future__ import annotations

import torch
from torch import nn

from dgkd_cache.models.registry import build_model


def tiny(architecture: str, **changes: int) -> nn.Module:
    settings = {"channels": 1, "classes": 10, "height": 8, "width": 8, "seed": 5} | changes
    return build_model(architecture, **settings)


def same(first: nn.Module, second: nn.Module) -> bool:
    left, right = first.state_dict(), second.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
