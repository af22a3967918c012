"""The cost of a network: the figures that were published, and sums written out layer by layer."""

from __future__ import annotations

import pytest
import torchvision
from support.counting import cifar_resnet

from dgkd_cache.models.summary import larger_than_before, model_summary


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


def test_a_chain_that_grows_is_told_at_the_models_that_are_larger() -> None:
    lines = larger_than_before([("teacher", 1000), ("ta1", 1000), ("ta2", 2500), ("student", 10)])
    assert lines == ["ta2 has 2,500 parameters, more than ta1 before it (1,000): a chain lists the largest model first"]
    assert larger_than_before([("teacher", 5)]) == []
