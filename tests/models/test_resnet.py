"""Residual networks for CIFAR: the shortcut written another way, and the sizes that the paper gives."""

from __future__ import annotations

import pytest
import torch
from support.counting import cifar_resnet, counted
from torch import nn
from torch.nn import functional

from dgkd_cache.models.registry import build_model
from dgkd_cache.models.resnet import CifarResNet


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
