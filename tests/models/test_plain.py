"""Plain networks: every pixel is kept, and the published books are followed."""

from __future__ import annotations

import pytest
from support.counting import counted
from torch import nn

from dgkd_cache.models.plain import PlainNet
from dgkd_cache.models.registry import build_model


def test_a_plain_network_keeps_every_pixel_that_its_pools_leave() -> None:
    model = build_model("plain2", channels=3, classes=10, height=28, width=20, seed=0)
    assert isinstance(model, PlainNet)
    first = model.classifier[1]
    assert isinstance(first, nn.Linear) and first.in_features == 16 * 7 * 5


# The books of `plain_cnn_cifar.py` (wonchulSon/DGKD), in its own notation: 10 classes, then 100. Its odd depths for 10
# classes end with FC100; here each network has one output a class.
PLAIN = {
    ("plain2", 10): "Conv16 MaxPool Conv16 MaxPool FC10",
    ("plain4", 10): "Conv16 Conv16 MaxPool Conv32 Conv32 MaxPool FC10",
    ("plain6", 10): "Conv16 Conv16 MaxPool Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool FC10",
    (
        "plain8",
        10,
    ): "Conv16 Conv16 MaxPool Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 MaxPool FC64 FC10",
    (
        "plain10",
        10,
    ): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 MaxPool Conv256 Conv256 Conv256 "
    "Conv256 MaxPool FC128 FC10",
    ("plain3", 10): "Conv32 Conv32 MaxPool Conv64 MaxPool FC10",
    (
        "plain9",
        10,
    ): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 MaxPool Conv256 Conv256 Conv256 MaxPool FC512 FC10",
    ("plain2", 100): "Conv32 MaxPool Conv32 MaxPool FC100",
    ("plain3", 100): "Conv32 Conv32 MaxPool Conv64 MaxPool FC100",
    ("plain5", 100): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 FC100",
    (
        "plain7",
        100,
    ): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 MaxPool Conv256 MaxPool FC64 FC100",
    (
        "plain9",
        100,
    ): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 MaxPool Conv256 Conv256 Conv256 "
    "MaxPool FC512 FC100",
    ("plain4", 100): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool FC100",
    ("plain6", 100): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 FC100",
    (
        "plain8",
        100,
    ): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 MaxPool Conv256 Conv256 MaxPool FC64 FC100",
    (
        "plain10",
        100,
    ): "Conv32 Conv32 MaxPool Conv64 Conv64 MaxPool Conv128 Conv128 MaxPool Conv256 Conv256 Conv256 "
    "Conv256 MaxPool FC512 FC100",
}


@pytest.mark.parametrize(("name", "classes"), PLAIN)
@pytest.mark.parametrize("side", [32, 28, 8])
def test_plain_networks_follow_the_published_books(name: str, classes: int, side: int) -> None:
    words = PLAIN[name, classes].split()
    total, inputs, left = 0, 3, side
    for word in words:
        if word == "MaxPool":
            left = max(1, left // 2)
        elif word.startswith("Conv"):
            outputs = int(word[4:])
            total += (9 * inputs + 1) * outputs + 2 * outputs
            inputs = outputs
        else:
            pixels, left = left * left, 1
            total += (inputs * pixels + 1) * int(word[2:])
            inputs = int(word[2:])
    assert counted(name, classes=classes, side=side) == total
    assert sum(word.startswith("Conv") for word in words) == int(name[5:])
