"""Wide residual networks, wrn-D-K: Zagoruyko and Komodakis, "Wide Residual Networks" (arXiv 1605.07146).

D = 6n + 4 layers of pre-activation blocks B(3,3), three stages of 16K, 32K and 64K channels: the network of
`models/wrn.py` in HobbitLong/RepDistiller (the CRD paper's code), initial weights included. wrn-D-K-dropoutP drops at
the rate P between the convolutions of each block, after the activation (section 2.4; 0.3 on CIFAR in the paper).
"""

from __future__ import annotations

import re
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.dropout_rate import parse_dropout
from dgkd_cache.models.initialise import initialise_convolutions
from dgkd_cache.models.registry import Registration, register_pattern

__all__ = ["WideResNet"]


class WideResNet(nn.Module):
    """6 * `blocks` + 4 layers, `widen` times as wide; maps float32 [B,I,H,W], at least 4x4, to logits [B,C]."""

    def __init__(self, blocks: int, widen: int, *, channels: int, classes: int, dropout: float | None = None) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, kernel_size=3, padding=1, bias=False)
        stages: list[nn.Module] = []
        inputs = 16
        for outputs, stride in ((16 * widen, 1), (32 * widen, 2), (64 * widen, 2)):
            stages.append(_Block(inputs, outputs, stride=stride, dropout=dropout))
            stages += [_Block(outputs, outputs, stride=1, dropout=dropout) for _ in range(blocks - 1)]
            inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(inputs)
        self.classifier = nn.Linear(inputs, classes)
        initialise_convolutions(self)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images_BIHW: Tensor) -> Tensor:
        features = functional.relu(self.norm(self.blocks(self.stem(images_BIHW))), inplace=True)
        logits_BC: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits_BC


class _Block(nn.Module):
    """A pre-activation block; if the width changes, the shortcut is a 1x1 convolution of the activated input."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, dropout: float | None) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Identity() if dropout is None else nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        activated = functional.relu(self.norm1(features), inplace=True)
        hidden = functional.relu(self.norm2(self.conv1(activated)), inplace=True)
        hidden = self.conv2(self.dropout(hidden))
        kept = features if self.shortcut is None else self.shortcut(activated)
        output: Tensor = kept + hidden
        return output


def _wide_resnet(
    *, blocks: int, widen: int, channels: int, classes: int, height: int, width: int, dropout: float | None
) -> nn.Module:
    return WideResNet(blocks, widen, channels=channels, classes=classes, dropout=dropout)


@register_pattern(
    "wrn-.*",
    form="wrn-D-K",
    about="wide ResNet, D = 6n + 4 layers, K times as wide: wrn-16-2; with dropout: wrn-16-2-dropout0.3",
)
def _parse(architecture: str) -> Registration:
    plain, rate = parse_dropout(architecture)
    numbers = re.fullmatch(r"wrn-([1-9][0-9]{0,3})-([1-9][0-9]{0,3})", plain)
    depth, widen = (int(text) for text in numbers.groups()) if numbers else (0, 0)
    if depth < 10 or (depth - 4) % 6:
        below = max(10, depth - (depth - 4) % 6)
        raise InvalidInput(
            f"there is no wide ResNet {architecture}",
            expected="wrn-D-K with D = 6n + 4 (10, 16, 22, 28, 34, 40, ...) layers and a width K from 1 up",
            found=architecture,
            do=f"wrn-{below}-{widen} and wrn-{below + 6}-{widen} are the nearest" if widen else "try wrn-16-2",
        )
    factory = partial(_wide_resnet, blocks=(depth - 4) // 6, widen=widen, dropout=rate)
    return Registration(factory=factory, smallest=4)
