"""Dropout layers with a given mask, bit for bit beside torch's, torchvision's and timm's own in training mode."""

from __future__ import annotations

import pytest
import torch
from timm.layers import DropPath
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.dropout_layers import find_dropout_layers

LAYERS = {
    "Dropout": (nn.Dropout(0.3), (6, 5, 4)),
    "Dropout1d": (nn.Dropout1d(0.4), (6, 5, 4)),
    "Dropout1d of two dimensions": (nn.Dropout1d(0.4), (6, 5)),
    "Dropout2d": (nn.Dropout2d(0.5), (6, 5, 4, 3)),
    "Dropout3d": (nn.Dropout3d(0.5), (6, 5, 4, 3, 2)),
    "Dropout3d of four dimensions": (nn.Dropout3d(0.5), (6, 4, 3, 2)),
    "AlphaDropout": (nn.AlphaDropout(0.3), (6, 5, 4)),
    "FeatureAlphaDropout": (nn.FeatureAlphaDropout(0.3), (6, 5, 4, 3)),
    "StochasticDepth": (StochasticDepth(0.4, "row"), (8, 5, 4)),
    "DropPath": (DropPath(0.4), (8, 5, 4)),
    "DropPath without scale": (DropPath(0.4, scale_by_keep=False), (8, 5, 4)),
    "in place": (nn.Dropout(0.3, inplace=True), (6, 5, 4)),
    "in place, alpha": (nn.AlphaDropout(0.3, inplace=True), (6, 5, 4)),
    "rate 1": (nn.Dropout(1.0), (6, 5, 4)),
    "rate 1, alpha": (nn.AlphaDropout(1.0), (6, 5, 4)),
    "rate 1, rows": (DropPath(1.0), (6, 5, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_with_the_mask_that_torch_drew_gives_torchs_result(name: str, dtype: torch.dtype) -> None:
    layer, shape = LAYERS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        given = torch.randn(shape, dtype=dtype) + 3  # no zero, so that a dropped one is told
        expected = layer.train()(given.clone())
    found = find_dropout_layers(nn.Sequential(layer.eval()))[0]
    decisions = found.decisions(given)
    # The first element under each decision tells what torch has drawn.
    first = (..., *(0 for _ in range(given.ndim - len(decisions))))
    dropped = expected[first] == 0 if not found.kind.alpha or found.rate == 1 else _is_common(expected[first])
    given = given.clone()
    got = found.apply(given, ~dropped)
    assert got.dtype == dtype and torch.equal(got, expected)
    assert (got is given) == getattr(layer, "inplace", False)
    assert found.rate == 1 or 0 < int(dropped.sum()) < dropped.numel(), "both are seen"


def _is_common(values: Tensor) -> Tensor:
    """All that AlphaDropout drops gets one value, which no other element has."""
    unique, counts = values.unique(return_counts=True)
    return values == unique[counts.argmax()]


class Own(nn.Dropout):
    """A subclass that keeps the forward pass."""


class Other(nn.Dropout):
    def forward(self, given: Tensor) -> Tensor:
        return given + 1


def test_layers_are_found_by_the_forward_pass_that_they_have() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Own(0.2), nn.Sequential(Other(0.3), DropPath(0.1)), nn.Dropout(0.0))
    found = find_dropout_layers(model)
    assert [(layer.name, layer.rate) for layer in found] == [("1", 0.2), ("2.1", 0.1), ("3", 0.0)]
    assert find_dropout_layers(nn.Sequential(DropPath(None)))[0].rate == 0.0
    assert find_dropout_layers(nn.Linear(2, 2)) == ()


@pytest.mark.parametrize("rate", [1.5, -0.1, "0.5", True, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: object) -> None:
    layer = nn.Dropout(0.5)
    layer.p = rate
    with pytest.raises(InvalidInput, match="'0' has no rate.*a number from 0 to 1"):
        find_dropout_layers(nn.Sequential(layer))
