"""The plain convolutional networks of the teacher-assistant papers, up to ten layers and without shortcuts.

Source: `plain_cnn_cifar.py` of wonchulSon/DGKD, after imirzadeh/Teacher-Assistant-Knowledge-Distillation (arXiv
1902.03393), where they are called "plane". It has two tables of layers: for CIFAR-10 and, wider, for CIFAR-100.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from dgkd_cache.models.registry import register_model

__all__ = ["NARROW_BOOK", "WIDE_BOOK", "PlainNet"]

POOL = 0  # in a table: a 2x2 max pool; any other number is the outputs of a 3x3 convolution

# Depth to (convolutions and pools, hidden fully connected layers), for up to ten classes.
NARROW_BOOK: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    2: ((16, POOL, 16, POOL), ()),
    4: ((16, 16, POOL, 32, 32, POOL), ()),
    6: ((16, 16, POOL, 32, 32, POOL, 64, 64, POOL), ()),
    8: ((16, 16, POOL, 32, 32, POOL, 64, 64, POOL, 128, 128, POOL), (64,)),
    10: ((32, 32, POOL, 64, 64, POOL, 128, 128, POOL, 256, 256, 256, 256, POOL), (128,)),
}

# The same for more than ten classes.
WIDE_BOOK: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    2: ((32, POOL, 32, POOL), ()),
    3: ((32, 32, POOL, 64, POOL), ()),
    4: ((32, 32, POOL, 64, 64, POOL), ()),
    5: ((32, 32, POOL, 64, 64, POOL, 128), ()),
    6: ((32, 32, POOL, 64, 64, POOL, 128, 128), ()),
    7: ((32, 32, POOL, 64, 64, POOL, 128, 128, POOL, 256, POOL), (64,)),
    8: ((32, 32, POOL, 64, 64, POOL, 128, 128, POOL, 256, 256, POOL), (64,)),
    9: ((32, 32, POOL, 64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL), (512,)),
    10: ((32, 32, POOL, 64, 64, POOL, 128, 128, POOL, 256, 256, 256, 256, POOL), (512,)),
}

# Odd depths are in the source's two tables alike, even to 100 outputs for CIFAR-10; here the outputs are the classes.
NARROW_BOOK |= {depth: WIDE_BOOK[depth] for depth in (3, 5, 7, 9)}


class PlainNet(nn.Module):
    """The network of one entry of a table; maps float32 [B,I,H,W] of one size to logits [B,C].

    As in the source, the first fully connected layer takes every pixel after the pools, so its size depends on the
    image's. The source supports 32x32 only; on a smaller image a pool that would leave no pixel is omitted: the fourth
    one for 8x8.
    """

    def __init__(
        self, layers: tuple[int, ...], hidden: tuple[int, ...], *, channels: int, classes: int, height: int, width: int
    ) -> None:
        super().__init__()
        features: list[nn.Module] = []
        for outputs in layers:
            if outputs == POOL:
                if min(height, width) >= 2:
                    features.append(nn.MaxPool2d(kernel_size=2, stride=2))
                    height, width = height // 2, width // 2
            else:
                convolution = nn.Conv2d(channels, outputs, kernel_size=3, padding=1)
                features += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
                channels = outputs
        inputs = channels * height * width
        classifier: list[nn.Module] = [nn.Flatten()]
        for outputs in hidden:
            classifier += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
            inputs = outputs
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(*classifier, nn.Linear(inputs, classes))

    def forward(self, images_BIHW: Tensor) -> Tensor:
        logits_BC: Tensor = self.classifier(self.features(images_BIHW))
        return logits_BC


def _plain(*, depth: int, channels: int, classes: int, height: int, width: int) -> nn.Module:
    layers, hidden = (NARROW_BOOK if classes <= 10 else WIDE_BOOK)[depth]
    return PlainNet(layers, hidden, channels=channels, classes=classes, height=height, width=width)


for _depth in sorted(NARROW_BOOK):
    register_model(name=f"plain{_depth}")(partial(_plain, depth=_depth))
