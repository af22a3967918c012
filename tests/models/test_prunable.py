"""Which weights of a model can be pruned."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.prunable import prunable_weights
from dgkd_cache.models.registry import build_model


def test_weights_of_convolutions_and_linear_layers_alone() -> None:
    model = build_model("resnet8", channels=3, classes=10, height=32, width=32, seed=0)
    found = prunable_weights(model)
    convolutions = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Conv2d)}
    linear = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    assert set(found) == convolutions | linear and len(convolutions) > 6 and len(linear) == 1
    assert [*found] == [name for name, _ in model.named_parameters() if name in found], "in the model's order"
    assert all(weight.ndim in (2, 4) for weight in found.values())


def test_a_shared_weight_comes_once_and_a_frozen_one_not() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.Embedding(3, 3))
    model[1].weight = model[0].weight
    model[2].weight.requires_grad = False
    assert list(prunable_weights(model)) == ["0.weight"]


def test_a_weight_that_is_computed_is_none_of_its_own() -> None:
    model = nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), nn.Linear(3, 2))
    assert list(prunable_weights(model)) == ["1.weight"]


def test_a_model_without_any_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no weights that can be pruned") as caught:
        prunable_weights(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4)))
    assert caught.value.exit_code == 2
