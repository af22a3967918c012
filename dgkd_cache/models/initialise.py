"""The initial weights of the residual networks and VGG: He et al. 2015 (arXiv 1502.01852), fan out."""

from __future__ import annotations

from torch import nn

__all__ = ["initialise_convolutions"]


def initialise_convolutions(model: nn.Module) -> None:
    """Sets convolutions to normal values of variance 2 / (k * k * outputs), and batch norms to the identity."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
