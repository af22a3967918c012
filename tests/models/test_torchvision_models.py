"""torchvision's networks: other channels and classes, the size that they want, and names that are not known."""

from __future__ import annotations

import pytest
import torch
from support.tiny_models import tiny
from torch import nn

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.models.registry import build_model, find_model, wanted_input_size

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


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vgg11_bn"])
def test_a_name_of_torchvision_is_answered_with_its_prefix(name: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean torchvision:{name}( or .*)?\\?$"):
        tiny(name)


def test_only_torchvision_wants_its_own_input_size() -> None:
    assert wanted_input_size("torchvision:resnet18", height=32, width=32) == 224
    assert wanted_input_size("torchvision:resnet18", height=224, width=224) is None
    assert wanted_input_size("torchvision:vit_b_16", height=32, width=32) == 224
    assert wanted_input_size("torchvision:swin_v2_t", height=32, width=32) == 256
    assert wanted_input_size("wrn-16-2", height=8, width=8) is None


def test_an_unknown_torchvision_model_names_the_closest() -> None:
    with pytest.raises(UnknownName, match=r"'resnet81': expected one of .*; did you mean .*resnet18"):
        find_model("torchvision:resnet81")
    with pytest.raises(UnknownName, match="torchvision model"):
        find_model("torchvision:fasterrcnn_resnet50_fpn")  # no classifier


@pytest.mark.parametrize("channels", [1, 5])
def test_a_torchvision_model_takes_other_channels_and_classes(channels: int) -> None:
    model = tiny("torchvision:resnet18", channels=channels, classes=4, height=40, width=40)
    assert model.training
    assert model.eval()(torch.zeros(2, channels, 40, 40)).shape == (2, 4)
    stem = model.get_submodule("conv1")
    assert isinstance(stem, nn.Conv2d)
    assert (stem.weight.shape, stem.stride, stem.padding, stem.bias) == (
        (64, channels, 7, 7),
        (2, 2),
        (3, 3),
        None,
    )


def test_a_torchvision_model_that_cannot_take_the_size_says_so() -> None:
    with pytest.raises(InvalidInput, match="torchvision:alexnet cannot take these images") as caught:
        tiny("torchvision:alexnet", channels=3, height=16, width=16)
    assert "[B, 3, 16, 16]" in str(caught.value) and caught.value.exit_code == 2
