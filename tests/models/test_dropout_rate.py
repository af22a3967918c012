"""Rates in names of architectures: where they drop, and that weights are those of the network without them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.dropout_layers import find_dropout_layers
from dgkd_cache.models.dropout_rate import parse_dropout
from dgkd_cache.models.registry import build_model


def build(name: str) -> nn.Module:
    return build_model(name, channels=1, classes=4, height=8, width=8, seed=3).eval()


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("wrn-16-1", [f"blocks.{block}.dropout" for block in range(6)]),
        ("vgg8", ["dropout"]),
    ],
)
def test_a_network_with_dropout_is_the_one_without_it_in_evaluation(name: str, layers: list[str]) -> None:
    plain, dropped = build(name), build(f"{name}-dropout0.25")
    assert [(one.name, one.rate) for one in find_dropout_layers(dropped)] == [(layer, 0.25) for layer in layers]
    assert find_dropout_layers(plain) == ()
    state = plain.state_dict()
    assert state.keys() == dropped.state_dict().keys()
    assert all(torch.equal(value, state[key]) for key, value in dropped.state_dict().items())
    images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(plain(images), dropped(images))


def test_it_drops_between_the_convolutions_of_a_block_after_the_activation() -> None:
    """The input of the second convolution is the activation's, of which about a quarter is 0 more than before."""
    model = build("wrn-10-2-dropout0.25").train()
    given: list[torch.Tensor] = []
    block = model.blocks[0]
    block.norm2.register_forward_hook(lambda module, args, output: given.append(torch.relu(output.detach().clone())))
    block.conv2.register_forward_pre_hook(lambda module, args: given.append(args[0].detach().clone()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model(torch.randn(4, 1, 8, 8))
    activated, dropped = given
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], activated[kept] / 0.75)
    assert 0.2 < float((activated[~kept] > 0).sum() / (activated > 0).sum()) < 0.3


@pytest.mark.parametrize(
    "name", ["wrn-16-1-dropout", "wrn-16-1-dropout1", "wrn-16-1-dropout.5", "vgg8-dropout1.0", "vgg8-dropout-0.1"]
)
def test_a_rate_that_is_none_is_refused(name: str) -> None:
    plain = name.partition("-dropout")[0]
    with pytest.raises(InvalidInput, match=f"a decimal from 0 to below 1, found {name}; try {plain}-dropout0.3"):
        build(name)


def test_other_networks_with_a_rate_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no VGG vgg9-dropout0.5: expected .*D one of 8, 11, 13, 16, 19"):
        build("vgg9-dropout0.5")
    with pytest.raises(InvalidInput, match="wrn-16-2 and wrn-22-2 are the nearest"):
        build("wrn-17-2-dropout0.5")
    assert parse_dropout("resnet8") == ("resnet8", None) and parse_dropout("vgg8-dropout0") == ("vgg8", 0.0)
