"""The rehearsal of a draw: what a draw cannot make a function of the sample is refused before anything is written.

Three things are tried on the first batch. A layer with a rate above 0 takes part. The same samples in reverse order
give the same rows, so that every layer has the samples as its first dimension. And a pass in training mode, with batch
normalisation and the known dropout layers left in evaluation mode, draws no random numbers: `functional.dropout` with
`training=self.training`, attention with dropout of its own and layers that are not known would, and a draw would
silently leave them out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from dgkd_cache.device.environment import TOLERANCES
from dgkd_cache.dump.draws import Draw, Place
from dgkd_cache.errors import DgkdError, InvalidInput

__all__ = ["rehearse_draw"]

_TRIED = 2
"""Number of images in the pass in training mode."""


def rehearse_draw(
    draw: Draw,
    forward: Callable[[Tensor, Place], object],
    logits_BC: Tensor,
    pixels_BIHW: Tensor,
    place: Place,
    *,
    precision: str,
) -> None:
    """Raises InvalidInput for a model whose draws are not what a dump needs.

    `forward` returns the result for a batch at a place; for the first batch it was the logits `logits_BC`.
    """
    draw.require_part()
    what, given = draw.what, forward(pixels_BIHW.flip(0), place.reversed())
    assert isinstance(given, Tensor), "the rehearsal has seen logits"
    again_BC = given.float().flip(0)
    away_B = (logits_BC - again_BC).abs().amax(1)
    differs_B = ~(away_B <= TOLERANCES[precision] * logits_BC.abs().amax(1))
    # What is no number is refused with its place later.
    differs_B &= logits_BC.isfinite().all(1)
    if rows := int(differs_B.sum()):
        raise InvalidInput(
            f"a draw of {what} gives a sample other logits at another place of its batch",
            expected=f"logits within {TOLERANCES[precision]:.0%} of a row's largest one at every place",
            found=f"{rows} of {len(logits_BC)} rows that differ where the batch is reversed",
            do="give each dropout layer the samples as its first dimension, and take out what mixes the samples of a "
            "batch; or dump the model without draws",
        )
    _refuse_hidden(draw, forward, pixels_BIHW[:_TRIED], Place(place.view, place.samples_B[:_TRIED]))


def _refuse_hidden(draw: Draw, forward: Callable[[Tensor, Place], object], pixels_BIHW: Tensor, place: Place) -> None:
    known = {id(layer.module) for layer in draw.layers}
    others = [module for module in draw.model.modules() if id(module) not in known]
    training = [module for module in others if not isinstance(module, _NormBase)]
    with _kept(draw.model, pixels_BIHW.device):
        before = _random_state(pixels_BIHW.device)
        for module in training:
            module.training = True
        try:
            forward(pixels_BIHW, place)
        except DgkdError as error:
            raise error.with_hint(
                do="a draw tries the first images in training mode, batch normalisation aside, to find dropout that is "
                "no layer: let the model return its logits there too, or dump it without draws"
            ) from error
        finally:
            for module in training:
                module.training = False
        drawn = before != _random_state(pixels_BIHW.device)
    if drawn:
        raise InvalidInput(
            f"{draw.what} has randomness in training mode that is no dropout layer, and a draw would leave it out",
            expected="all dropout in layers: torch.nn.Dropout, Dropout1d, 2d, 3d, AlphaDropout, StochasticDepth of "
            "torchvision, DropPath of timm",
            found="random numbers that its forward pass draws besides them",
            do="call torch.nn.Dropout layers in place of functional.dropout, set the dropout inside of attention to 0, "
            "or dump the model without draws",
        )


@contextmanager
def _kept(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Gives the model its buffers back after the `with` block, and torch, numpy and Python their random states."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    of_numpy, of_python = np.random.get_state(), random.getstate()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
            np.random.set_state(of_numpy)
            random.setstate(of_python)


def _random_state(device: torch.device) -> list[object]:
    of_torch = [torch.get_rng_state()]
    if device.type == "cuda":
        of_torch.append(torch.cuda.get_rng_state(device))
    name, keys, *rest = np.random.get_state(legacy=True)
    states = [state.numpy().tobytes() for state in of_torch]
    return [*states, name, np.asarray(keys).tobytes(), rest, random.getstate()]
