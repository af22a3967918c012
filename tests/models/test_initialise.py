"""Initial weights: the variance of He et al."""

from __future__ import annotations

import pytest
from torch import nn

from dgkd_cache.models.registry import build_model


@pytest.mark.parametrize("name", ["resnet20", "vgg8", "wrn-16-2"])
def test_convolutions_start_with_the_variance_of_he(name: str) -> None:
    model = build_model(name, channels=3, classes=10, height=32, width=32, seed=0)
    large = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 4000]
    assert len(large) > 3
    for layer in large:
        variance = 2 / (layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels)
        assert float(layer.weight.detach().var()) == pytest.approx(variance, rel=0.12)
