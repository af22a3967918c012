"""The CIFAR ResNets: He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), 4.2.

6n + 2 layers in three stages of 16, 32 and 64 channels, with the parameter-free shortcuts of option A, as in the paper.
TAKD's code (`resnet_cifar.py`) uses 1x1 convolutions, option B: its resnet20 has 272,474 parameters instead of 269,722.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from dgkd_cache.models.initialise import initialise_convolutions
from dgkd_cache.models.registry import register_model

__all__ = ["DEPTHS", "CifarResNet"]

DEPTHS = (8, 14, 20, 26, 32, 44, 56, 110)


class CifarResNet(nn.Module):
    """A network of 6 * `blocks` + 2 layers; maps float32 [B,I,H,W], at least 4x4, to logits [B,C].

    The two stages with stride 2 and the final mean accept any image size.
    """

    def __init__(self, blocks: int, *, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, kernel_size=3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        stages = [_Block(16, 16, stride=1) for _ in range(blocks)]
        for width in (32, 64):
            stages.append(_Block(width // 2, width, stride=2))
            stages += [_Block(width, width, stride=1) for _ in range(blocks - 1)]
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(64, classes)
        initialise_convolutions(self)

    def forward(self, images_BIHW: Tensor) -> Tensor:
        features = functional.relu(self.stem_norm(self.stem(images_BIHW)), inplace=True)
        logits_BC: Tensor = self.classifier(self.blocks(features).mean(dim=(2, 3)))
        return logits_BC


class _Block(nn.Module):
    """Two 3x3 convolutions and an identity, subsampled and padded with zero channels where a stage begins."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.new_channels = outputs - inputs

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.relu(self.norm1(self.conv1(features)), inplace=True)
        hidden = self.norm2(self.conv2(hidden))
        if self.new_channels:
            # Zeros after the old channels, as in fb.resnet.torch (models/resnet.lua, shortcut type A).
            features = features[:, :, :: self.stride, :: self.stride]
            features = functional.pad(features, (0, 0, 0, 0, 0, self.new_channels))
        return functional.relu(hidden + features, inplace=True)


def _cifar_resnet(*, blocks: int, channels: int, classes: int, height: int, width: int) -> nn.Module:
    return CifarResNet(blocks, channels=channels, classes=classes)


for _depth in DEPTHS:
    register_model(name=f"resnet{_depth}", smallest=4)(partial(_cifar_resnet, blocks=(_depth - 2) // 6))
