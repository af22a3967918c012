"""Finds the dropout layers of a model, and applies a given mask as the layer itself would in training.

Known are torch's Dropout, Dropout1d, 2d, 3d, AlphaDropout and FeatureAlphaDropout, and stochastic depth as torchvision
(StochasticDepth) and timm (DropPath) have it. A subclass counts if it keeps the forward pass of its base. Calls of
`functional.dropout` are no layers and are not found.

Each decision belongs to one sample: StochasticDepth in the mode "batch", which torch decides once for all samples of a
batch, is decided for each of them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput

__all__ = ["DropoutLayer", "find_dropout_layers"]

_ALPHA = 1.7580993408473766  # -alpha' of Klambauer et al. 2017, section 3: as aten/src/ATen/native/Dropout.cpp has it


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """The rule by which a kind of layer decides."""

    each: Literal["element", "channel", "row"]
    """Decisions are taken for each element, for each channel, or for each row of the first dimension."""
    rate: str = "p"
    """The attribute of the module with its rate; None there counts as 0."""
    alpha: bool = False
    """True for what is dropped to a value that keeps mean and variance, instead of to 0."""
    unbatched: int | None = None
    """The number of dimensions at which torch takes the first one for channels."""


_OF_TORCH: tuple[tuple[type[nn.Module], _Kind], ...] = (
    (nn.Dropout, _Kind(each="element")),
    (nn.Dropout1d, _Kind(each="channel", unbatched=2)),
    (nn.Dropout2d, _Kind(each="channel")),
    (nn.Dropout3d, _Kind(each="channel", unbatched=4)),
    (nn.AlphaDropout, _Kind(each="element", alpha=True)),
    (nn.FeatureAlphaDropout, _Kind(each="channel", alpha=True)),
)

_OF_OTHERS: tuple[tuple[str, str, _Kind], ...] = (
    ("torchvision.ops.stochastic_depth", "StochasticDepth", _Kind(each="row")),
    ("timm.layers.drop", "DropPath", _Kind(each="row", rate="drop_prob")),
)
"""Modules by name: a layer of theirs can only be there if its module is loaded."""


@dataclass(frozen=True, kw_only=True)
class DropoutLayer:
    """A dropout layer of a model, by its name in it."""

    name: str
    module: nn.Module
    rate: float
    """The chance to be dropped, 0 to 1."""
    kind: _Kind

    def decisions(self, given: Tensor) -> tuple[int, ...]:
        """Returns the shape of the decisions for an input: its first dimensions, or all of them."""
        if self.kind.each == "element":
            return tuple(given.shape)
        rows = self.kind.each == "row" or given.ndim in (1, self.kind.unbatched)
        return tuple(given.shape[: 1 if rows else 2])

    def apply(self, given: Tensor, keep: Tensor) -> Tensor:
        """Returns what the layer makes of `given` in training if it keeps where `keep` (bool, `decisions`) is true.

        As in torch, what is kept is multiplied by 1 / (1 - rate), rounded to the type of the input; stochastic depth
        of timm with `scale_by_keep=False` leaves it as it is. A layer `inplace` changes `given` itself.
        """
        noise = keep.view(*keep.shape, *(1 for _ in range(given.ndim - keep.ndim))).to(given.dtype)
        added = None
        if self.kind.alpha and self.rate < 1:
            scale = 1.0 / math.sqrt((_ALPHA * _ALPHA * self.rate + 1) * (1 - self.rate))
            added = noise.add(-1).mul_(_ALPHA * scale).add_(_ALPHA * scale * self.rate)
            noise.mul_(scale)
        elif self.rate < 1 and getattr(self.module, "scale_by_keep", True):
            noise.div_(1 - self.rate)
        if getattr(self.module, "inplace", False):
            given.mul_(noise)
            return given if added is None else given.add_(added)
        return given * noise if added is None else (given * noise).add_(added)


def find_dropout_layers(model: nn.Module) -> tuple[DropoutLayer, ...]:
    """Returns the dropout layers of a model, in the order of `named_modules`; those of rate 0 are among them.

    Raises InvalidInput for a rate that is none.
    """
    kinds = _known_kinds()
    found = []
    for name, module in model.named_modules():
        kind = kinds.get(getattr(type(module), "forward", None))
        if kind is not None:
            found.append(DropoutLayer(name=name, module=module, rate=_rate(name, module, kind), kind=kind))
    return tuple(found)


def _known_kinds() -> Mapping[Callable[..., Any] | None, _Kind]:
    """Returns the kinds by the function that is the layer's forward pass."""
    known: dict[Callable[..., Any] | None, _Kind] = {layer.forward: kind for layer, kind in _OF_TORCH}
    for module, layer_name, kind in _OF_OTHERS:
        layer = getattr(sys.modules.get(module), layer_name, None)
        if layer is not None:
            known[layer.forward] = kind
    return known


def _rate(name: str, module: nn.Module, kind: _Kind) -> float:
    rate = getattr(module, kind.rate, None)
    if isinstance(rate, torch.Tensor) and rate.numel() == 1:
        rate = rate.item()
    rate = 0.0 if rate is None else rate
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise InvalidInput(
            f"the dropout layer {name!r} has no rate that a draw can use",
            expected=f"{kind.rate}, a number from 0 to 1",
            found=repr(rate)[:80],
            do="give it the rate with which the model was trained",
        )
    return float(rate)
