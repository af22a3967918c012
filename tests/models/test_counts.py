"""Parameters and multiply-adds: sums written out layer by layer, and the figures that were published."""

from __future__ import annotations

import pytest
import torch
import torchvision

from dgkd_cache.models import build_model, count_parameters, find_model, model_names, model_summary


def counted(architecture: str, *, classes: int, channels: int = 3, side: int = 32) -> int:
    """The parameters of a network that is built without memory or arithmetic."""
    with torch.device("meta"):
        model = find_model(architecture).factory(channels=channels, classes=classes, height=side, width=side)
    return count_parameters(model)


def cifar_resnet(depth: int, *, classes: int, channels: int = 3) -> int:
    total = 9 * channels * 16 + 2 * 16
    inputs = 16
    for width in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            total += 9 * inputs * width + 2 * width
            total += 9 * width * width + 2 * width
            inputs = width
    return total + 64 * classes + classes


def wide_resnet(depth: int, widen: int, *, classes: int) -> int:
    total, inputs = 9 * 3 * 16, 16
    for width in (16 * widen, 32 * widen, 64 * widen):
        for _ in range((depth - 4) // 6):
            total += 2 * inputs + 9 * inputs * width
            total += 2 * width + 9 * width * width
            total += inputs * width if inputs != width else 0
            inputs = width
    return total + 2 * inputs + inputs * classes + classes


def vgg(convolutions: list[int], *, classes: int) -> int:
    total, inputs = 0, 3
    for width in convolutions:
        total += 9 * inputs * width + width + 2 * width
        inputs = width
    return total + 512 * classes + classes


# He et al., arXiv 1512.03385, table 6, in millions; 44 and 8, 14, 26 follow from its rule of 6n + 2 layers.
TABLE_6 = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}
EXACT = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}


@pytest.mark.parametrize("depth", [8, 14, 20, 26, 32, 44, 56, 110])
def test_cifar_resnets(depth: int) -> None:
    count = counted(f"resnet{depth}", classes=10)
    assert count == cifar_resnet(depth, classes=10) == EXACT.get(depth, count)
    digits = 1 if depth == 110 else 2
    assert round(count / 1e6, digits) == TABLE_6.get(depth, round(count / 1e6, digits))
    assert counted(f"resnet{depth}", classes=7, channels=1) == cifar_resnet(depth, classes=7, channels=1)


def test_a_resnet20_has_the_shortcuts_of_the_paper_and_not_those_of_the_takd_code() -> None:
    projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert counted("resnet20", classes=10) + projections == 272_474


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


# Block by block, as in configurations S, A, B, D, E of RepDistiller's models/vgg.py.
VGG = {
    "vgg8": [64, 128, 256, 512, 512],
    "vgg11": [64, 128, *[256] * 2, *[512] * 4],
    "vgg13": [64, 64, 128, 128, *[256] * 2, *[512] * 4],
    "vgg16": [64, 64, 128, 128, *[256] * 3, *[512] * 6],
    "vgg19": [64, 64, 128, 128, *[256] * 4, *[512] * 8],
}


@pytest.mark.parametrize("name", VGG)
def test_vgg(name: str) -> None:
    assert len(VGG[name]) + 3 == int(name[3:])  # the original counts three linear layers, this one keeps one
    assert counted(name, classes=100) == vgg(VGG[name], classes=100)


def test_the_networks_of_the_crd_comparison_on_cifar_100() -> None:
    counts = {name: counted(name, classes=100) for name in ("vgg8", "vgg13", "wrn-16-2")}
    assert counts == {"vgg8": 3_965_028, "vgg13": 9_462_180, "wrn-16-2": 703_284}


# The books of `plain_cnn_cifar.py` (wonchulSon/DGKD), in its own notation: 10 classes, then 100.
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
    ("plain2", 100): "Conv32 MaxPool Conv32 MaxPool FC100",
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


def test_torchvision_models_have_the_figures_that_torchvision_publishes() -> None:
    published = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta
    summary = model_summary("torchvision:resnet18", channels=3, height=32, width=32, classes=1000)
    assert summary.parameters == 11_689_512 == published["num_params"]
    assert summary.multiply_adds / 1e9 == pytest.approx(published["_ops"], abs=0.001)
    assert summary.input_size == 224


def test_multiply_adds_of_resnet8_layer_by_layer() -> None:
    pixels = 32 * 32
    stem = pixels * 9 * 3 * 16
    first = pixels * 2 * 9 * 16 * 16
    second = pixels // 4 * 9 * (16 * 32 + 32 * 32)
    third = pixels // 16 * 9 * (32 * 64 + 64 * 64)
    summary = model_summary("resnet8", channels=3, height=32, width=32, classes=10)
    assert summary.multiply_adds == stem + first + second + third + 64 * 10
    assert (summary.parameters, summary.input_size) == (cifar_resnet(8, classes=10), None)


def test_every_name_that_is_listed_can_be_counted() -> None:
    assert {name.rstrip("0123456789") for name in model_names()} == {"plain", "resnet", "vgg"}
    assert len(model_names()) == 5 + 8 + 5
    assert list(model_names()) == [
        *(f"plain{depth}" for depth in (2, 4, 6, 8, 10)),
        *(f"resnet{depth}" for depth in (8, 14, 20, 26, 32, 44, 56, 110)),
        *(f"vgg{depth}" for depth in (8, 11, 13, 16, 19)),
    ]
    assert all(counted(name, classes=5, channels=4, side=16) > 0 for name in model_names())


def test_a_built_network_has_the_parameters_that_were_counted() -> None:
    model = build_model("resnet14", channels=1, classes=10, height=8, width=8, seed=0)
    assert count_parameters(model) == cifar_resnet(14, classes=10, channels=1)
