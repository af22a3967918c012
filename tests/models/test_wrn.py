"""Wide residual networks: a forward pass by hand, and the sizes that the paper gives."""

from __future__ import annotations

import pytest
import torch
from support.counting import counted
from support.tiny_models import tiny
from torch import nn
from torch.nn import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.registry import build_model
from dgkd_cache.models.wrn import WideResNet


@pytest.mark.parametrize(("depth", "widen"), [(10, 2), (16, 1), (16, 4)])
def test_a_wide_resnet_has_the_layers_of_its_name(depth: int, widen: int) -> None:
    model = build_model(f"wrn-{depth}-{widen}", channels=3, classes=10, height=8, width=8, seed=0)
    assert isinstance(model, WideResNet)
    sizes = [layer.kernel_size for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    # depth = 6n + 4: the stem, 6n convolutions and three shortcuts; with K = 1 the first one is an identity.
    assert sizes.count((3, 3)) == depth - 3
    assert sizes.count((1, 1)) == (3 if widen > 1 else 2)


def test_a_wide_resnet_by_hand() -> None:
    model = build_model("wrn-10-2", channels=1, classes=3, height=9, width=8, seed=3).eval()
    state = model.state_dict()

    def normed(features: torch.Tensor, name: str) -> torch.Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (state[f"{name}.{part}"][:, None, None] for part in names)
        return torch.relu((features - mean) / (var + 1e-5) ** 0.5 * weight + bias)

    images = torch.randn(2, 1, 9, 8, generator=torch.Generator().manual_seed(0))
    features = functional.conv2d(images, state["stem.weight"], padding=1)
    for block, stride in enumerate((1, 2, 2)):
        activated = normed(features, f"blocks.{block}.norm1")
        hidden = functional.conv2d(activated, state[f"blocks.{block}.conv1.weight"], stride=stride, padding=1)
        hidden = normed(hidden, f"blocks.{block}.norm2")
        hidden = functional.conv2d(hidden, state[f"blocks.{block}.conv2.weight"], padding=1)
        features = hidden + functional.conv2d(activated, state[f"blocks.{block}.shortcut.weight"], stride=stride)
    expected = functional.linear(
        normed(features, "norm").mean(dim=(2, 3)), state["classifier.weight"], state["classifier.bias"]
    )
    with torch.no_grad():
        torch.testing.assert_close(model(images), expected)


def wide_resnet(depth: int, widen: int, *, classes: int) -> int:
    total, inputs = 9 * 3 * 16, 16
    for width in (16 * widen, 32 * widen, 64 * widen):
        for _ in range((depth - 4) // 6):
            total += 2 * inputs + 9 * inputs * width
            total += 2 * width + 9 * width * width
            total += inputs * width if inputs != width else 0
            inputs = width
    return total + 2 * inputs + inputs * classes + classes


# Zagoruyko and Komodakis, arXiv 1605.07146, table 4, in millions, on CIFAR.
TABLE_4 = {
    "wrn-40-1": 0.6,
    "wrn-40-2": 2.2,
    "wrn-40-4": 8.9,
    "wrn-40-8": 35.7,
    "wrn-28-10": 36.5,
    "wrn-28-12": 52.5,
    "wrn-22-8": 17.2,
    "wrn-22-10": 26.8,
    "wrn-16-8": 11.0,
    "wrn-16-10": 17.1,
}

# The self-checks of osmr/imgclsmob, pytorchcv/models/wrn_cifar.py, for 10 classes.
WRN_EXACT = {"wrn-16-10": 17_116_634, "wrn-28-10": 36_479_194, "wrn-40-8": 35_748_314}


@pytest.mark.parametrize("name", TABLE_4)
def test_wide_resnets(name: str) -> None:
    count = counted(name, classes=10)
    depth, widen = map(int, name.split("-")[1:])
    assert count == wide_resnet(depth, widen, classes=10) == WRN_EXACT.get(name, count)
    assert round(count / 1e6, 1) == TABLE_4[name]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wrn-17-2", "wrn-16-2 and wrn-22-2 are the nearest"),
        ("wrn-4-2", "wrn-10-2 and wrn-16-2 are the nearest"),
        ("wrn-16", "try wrn-16-2"),
        ("wrn-16-0", "try wrn-16-2"),
        ("wrn--16-2", "try wrn-16-2"),
    ],
)
def test_an_impossible_wide_resnet_is_told_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=hint) as caught:
        tiny(name)
    assert caught.value.exit_code == 2 and "D = 6n + 4" in str(caught.value) and name in str(caught.value)
