"""The cost of an architecture: parameters, and multiply-adds of one image's forward pass."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from dgkd_cache.models.registry import build_model, count_parameters, is_user_code, wanted_input_size

__all__ = ["ModelSummary", "larger_than_before", "model_summary"]


@dataclass(frozen=True, kw_only=True)
class ModelSummary:
    """The size of one network for one kind of image."""

    architecture: str
    parameters: int
    multiply_adds: int  # of convolutions and linear layers, for one image
    input_size: int | None  # pixels to which a view is resized; None: not resized


def model_summary(
    architecture: str, *, channels: int, height: int, width: int, classes: int, accept_probabilities: bool = False
) -> ModelSummary:
    """Returns parameters and multiply-adds for views of `height` x `width`; raises as `build_model`.

    Only building takes time: the pass is counted on the meta device, without arithmetic, except for a user's own
    network, which may read values.
    """
    input_size = wanted_input_size(architecture, height=height, width=width)
    if input_size is not None:
        height = width = input_size
    model = build_model(
        architecture,
        channels=channels,
        classes=classes,
        height=height,
        width=width,
        seed=0,
        accept_probabilities=accept_probabilities,
    )
    parameters = count_parameters(model)
    device = "cpu" if is_user_code(architecture) else "meta"
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.to(device).eval()(torch.zeros(1, channels, height, width, device=device))
    return ModelSummary(
        architecture=architecture,
        parameters=parameters,
        multiply_adds=counter.get_total_flops() // 2,
        input_size=input_size,
    )


def larger_than_before(parameters: Sequence[tuple[str, int]]) -> list[str]:
    """Returns a line for each model, of (name, parameters) in the order of a chain, larger than the one before."""
    return [
        f"{name} has {count:,} parameters, more than {before} before it ({fewer:,}): "
        "a chain lists the largest model first"
        for (before, fewer), (name, count) in itertools.pairwise(parameters)
        if count > fewer
    ]
