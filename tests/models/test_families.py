"""What the networks compute, against arithmetic written another way."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from dgkd_cache.models import (
    CifarResNet,
    PlainNet,
    Vgg,
    WideResNet,
    build_model,
    find_model,
    model_names,
)

EVERY = [*model_names(), "wrn-10-1", "wrn-16-2"]


@pytest.mark.parametrize("name", EVERY)
def test_digits_and_odd_shapes_go_through_every_network(name: str) -> None:
    torch.set_num_threads(1)
    small = name not in ("resnet110", "vgg16", "vgg19")
    for channels, height, width in [(1, 8, 8), (4, 9, 15)] if small else [(1, 8, 8)]:
        model = build_model(name, channels=channels, classes=3, height=height, width=width, seed=0).eval()
        with torch.no_grad():
            logits_BC = model(torch.ones(2, channels, height, width))
        assert logits_BC.shape == (2, 3) and bool(torch.isfinite(logits_BC).all())


@pytest.mark.parametrize("name", ["plain8", "resnet14", "vgg8", "wrn-16-2"])
def test_every_parameter_of_every_family_learns(name: str) -> None:
    model = build_model(name, channels=1, classes=3, height=8, width=8, seed=0)
    images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    functional.cross_entropy(model(images), torch.arange(8) % 3).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())


def test_the_shortcut_of_option_a_is_subsampling_and_zero_channels() -> None:
    model = build_model("resnet14", channels=3, classes=10, height=10, width=13, seed=1).eval()
    assert isinstance(model, CifarResNet)
    for name, module in model.named_modules():
        if name.endswith("norm2"):
            assert isinstance(module, nn.BatchNorm2d)
            nn.init.zeros_(module.weight)  # silences each block, so that only the shortcuts speak
    images = torch.randn(2, 3, 10, 13, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        stem = torch.relu(functional.conv2d(images, model.stem.weight, padding=1) / (1 + 1e-5) ** 0.5)
        means = torch.zeros(2, 64)
        means[:, :16] = stem[:, :, ::4, ::4].mean(dim=(2, 3))
        expected = means @ model.classifier.weight.T + model.classifier.bias
        torch.testing.assert_close(model(images), expected)


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


@pytest.mark.parametrize(("side", "left"), [(8, 1), (32, 4), (63, 7), (64, 4)])
def test_vgg_pools_three_times_and_a_fourth_from_64_pixels_on(side: int, left: int) -> None:
    with torch.device("meta"):
        model = Vgg((1, 1, 1, 1, 1), channels=3, classes=10, height=side, width=side).eval()
        assert model.features(torch.empty(1, 3, side, side)).shape == (1, 512, left, left)


def test_a_plain_network_keeps_every_pixel_that_its_pools_leave() -> None:
    model = build_model("plain2", channels=3, classes=10, height=28, width=20, seed=0)
    assert isinstance(model, PlainNet)
    first = model.classifier[1]
    assert isinstance(first, nn.Linear) and first.in_features == 16 * 7 * 5


@pytest.mark.parametrize("name", ["resnet20", "vgg8", "wrn-16-2"])
def test_convolutions_start_with_the_variance_of_he(name: str) -> None:
    model = build_model(name, channels=3, classes=10, height=32, width=32, seed=0)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 4000:
            variance = 2 / (layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels)
            assert float(layer.weight.detach().var()) == pytest.approx(variance, rel=0.12)


def test_channels_last_gives_the_same_logits() -> None:
    model = build_model("resnet8", channels=3, classes=10, height=16, width=16, seed=0).eval()
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(images)
        model = model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(model(images.to(memory_format=torch.channels_last)), expected)


# The smallest of each family that torchvision has.
FAMILIES = (
    "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t "
    "mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_x_400mf resnet18 resnext50_32x4d shufflenet_v2_x0_5 "
    "squeezenet1_1 swin_t swin_v2_t vgg11_bn vit_b_32 wide_resnet50_2"
).split()


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_torchvision_family_takes_other_channels_and_classes(name: str) -> None:
    size = find_model(f"torchvision:{name}").input_size
    assert size is not None and size >= 224
    model = build_model(f"torchvision:{name}", channels=2, classes=3, height=size, width=size, seed=0)
    with torch.no_grad():
        assert model.train()(torch.ones(2, 2, size, size)).shape == (2, 3)
