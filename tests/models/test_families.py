"""The networks compute the same as arithmetic that is written another way."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from dgkd_cache.models.registry import build_model, model_names

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


def test_channels_last_gives_the_same_logits() -> None:
    model = build_model("resnet8", channels=3, classes=10, height=16, width=16, seed=0).eval()
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(images)
        model = model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(model(images.to(memory_format=torch.channels_last)), expected)
