"""The parameters of networks: as they are built, and of a residual network summed layer by layer."""

from __future__ import annotations

import torch

from dgkd_cache.models.registry import count_parameters, find_model


def counted(architecture: str, *, classes: int, channels: int = 3, side: int = 32) -> int:
    """The parameters of a network that is built without memory or arithmetic."""
    with torch.device("meta"):
        model = find_model(architecture).factory(channels=channels, classes=classes, height=side, width=side)
    return count_parameters(model)


def cifar_resnet(depth: int, *, classes: int, channels: int = 3) -> int:
    """The sum of a residual network for CIFAR, from the paper's description."""
    total = 9 * channels * 16 + 2 * 16
    inputs = 16
    for width in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            total += 9 * inputs * width + 2 * width
            total += 9 * width * width + 2 * width
            inputs = width
    return total + 64 * classes + classes
