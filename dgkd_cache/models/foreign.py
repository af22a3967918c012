"""Networks made elsewhere, held to this project's contract: one forward pass before they are believed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput

__all__ = ["check_forward"]


def check_forward(
    architecture: str, model: object, *, channels: int, classes: int, height: int, width: int
) -> nn.Module:
    """The model, if it is one that maps [1, channels, height, width] to [1, classes]; otherwise InvalidInput.

    It runs once in evaluation mode on zeros, which also gives lazy layers their sizes.
    """
    if not isinstance(model, nn.Module):
        raise InvalidInput(
            f"{architecture} made no model",
            expected="a torch.nn.Module",
            found=type(model).__name__,
            do="return the network from the factory",
        )
    training = model.training
    try:
        with torch.no_grad():
            output = model.eval()(torch.zeros(1, channels, height, width))
    except Exception as error:  # somebody's network may raise anything
        raise InvalidInput(
            f"{architecture} cannot take these images",
            expected=f"a network for float32 [B, {channels}, {height}, {width}]",
            found=f"{type(error).__name__}: {error}",
            do="use images of another size or another architecture (`dgkd-cache models` lists them)",
        ) from error
    model.train(training)
    found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if found != [1, classes]:
        raise InvalidInput(
            f"{architecture} does not return one logit a class",
            expected=f"a tensor [1, {classes}] for one image",
            found=str(found),
            do="return the logits alone, one for each class",
        )
    return model
