"""VGG with batch norm for small images: the blocks of Simonyan and Zisserman (arXiv 1409.1556).

Source: `models/vgg.py` of HobbitLong/RepDistiller (the CRD paper's code), where they are vgg8_bn to vgg19_bn,
with one linear layer. As there, 32x32 images are pooled three times before the mean, and images of 64x64 or
more a fourth time. vggD-dropoutP drops the inputs of the linear layer at the rate P, as the paper does before its own.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.dropout_rate import DROPOUT, parse_dropout
from dgkd_cache.models.initialise import initialise_convolutions
from dgkd_cache.models.registry import Registration, register_model, register_pattern

__all__ = ["CONVOLUTIONS", "Vgg"]

WIDTHS = (64, 128, 256, 512, 512)

# Depth to the number of 3x3 convolutions in each block.
CONVOLUTIONS = {
    8: (1, 1, 1, 1, 1),
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class Vgg(nn.Module):
    """Maps float32 [B,I,H,W] of one size, at least 8x8 (three pools leave one pixel), to logits [B,C]."""

    def __init__(
        self,
        convolutions: tuple[int, ...],
        *,
        channels: int,
        classes: int,
        height: int,
        width: int,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        pools = 4 if min(height, width) >= 64 else 3
        layers: list[nn.Module] = []
        for block, (count, outputs) in enumerate(zip(convolutions, WIDTHS, strict=True)):
            for _ in range(count):
                convolution = nn.Conv2d(channels, outputs, kernel_size=3, padding=1)
                layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
                channels = outputs
            if block < pools:
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Identity() if dropout is None else nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, classes)
        initialise_convolutions(self)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images_BIHW: Tensor) -> Tensor:
        logits_BC: Tensor = self.classifier(self.dropout(self.features(images_BIHW).mean(dim=(2, 3))))
        return logits_BC


for _depth, _convolutions in CONVOLUTIONS.items():
    register_model(name=f"vgg{_depth}", smallest=8)(partial(Vgg, _convolutions))


@register_pattern(
    f"vgg[0-9]+-{DROPOUT}.*", form="vggD-dropoutP", about="VGG with dropout at the rate P: vgg8-dropout0.5"
)
def _parse(architecture: str) -> Registration:
    plain, rate = parse_dropout(architecture)
    depth = int(plain.removeprefix("vgg")[:4])
    if depth not in CONVOLUTIONS or plain != f"vgg{depth}":
        raise InvalidInput(
            f"there is no VGG {architecture}",
            expected=f"vggD-dropoutP with D one of {', '.join(map(str, CONVOLUTIONS))}",
            found=architecture,
        )
    return Registration(factory=partial(Vgg, CONVOLUTIONS[depth], dropout=rate), smallest=8)
