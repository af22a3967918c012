"""The importance of a model's weights, and which of them a sparsity keeps: one threshold for all layers, in one shot.

Importance is the sum over steps of |weight x gradient| (Molchanov et al., CVPR 2019, first order), here of a loss under
cached guides after Alim et al. 2025 (arXiv 2511.16653), or of the loss without guides; or |weight|. No weight is
updated meanwhile. The model is in evaluation mode: gradients are those of the network as it is used, with batch norm's
running statistics and without dropout's noise, and no buffer changes. That, float32, and the number of steps are our
choice. Sums are in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

import numpy as np
import torch
from torch import Tensor, nn

from dgkd_cache.config.pruning import removed_weights
from dgkd_cache.errors import DgkdError, Interrupted
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_cache.models.prunable import prunable_weights
from dgkd_cache.progress import Progress, Silent

__all__ = ["gradient_importance", "kept_weights", "magnitudes"]

Loss = Callable[[GuidedBatch, Tensor], Tensor]
"""The loss of a step: its inputs, and the model's logits (B, C)."""


def magnitudes(model: nn.Module) -> dict[str, Tensor]:
    """Returns |weight| of each weight that can be pruned, float64 on the CPU, by name."""
    return {name: weight.detach().cpu().double().abs() for name, weight in prunable_weights(model).items()}


def gradient_importance(
    model: nn.Module,
    preprocess: nn.Module,
    inputs: StepInputs,
    *,
    steps: int,
    loss: Loss,
    what: str = "importance",
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Tensor]:
    """Returns the sum over the first `steps` steps of |weight x gradient| of `loss`, float64 on the CPU, by name.

    The model, which is on the device of `inputs`, is left in evaluation mode, without gradients and otherwise as it
    was. A weight without gradient has importance 0. Raises DgkdError for an importance that is no number, and
    Interrupted if `stop` is true before the last step.
    """
    progress = progress or Silent()
    weights = prunable_weights(model)
    sums = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in weights.items()}
    model.eval()
    model.zero_grad(set_to_none=True)
    progress.start(what, total=steps, unit="steps")
    with closing(inputs.prefetch(0, steps)) as fed:
        for batch in fed:
            if stop():
                raise Interrupted(f"{what} was stopped", do="run the same command again: nothing was written")
            loss(batch, model(preprocess(batch.pixels))).backward()
            for name, weight in weights.items():
                if weight.grad is not None:
                    sums[name] += (weight.detach().double() * weight.grad.double()).abs()
            model.zero_grad(set_to_none=True)
            progress.advance(1)
    progress.finish()
    found = {name: total.cpu() for name, total in sums.items()}
    for name, total in found.items():
        if not bool(torch.isfinite(total).all()):
            raise DgkdError(
                f"the importance of {name} is not finite",
                expected="finite gradients",
                found="a gradient that is none",
                do="prune a model whose loss on these images is finite",
            )
    return found


def kept_weights(importance: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Returns which weights are kept, bool by name: all but the `removed_weights(sparsity, ...)` of least importance.

    One threshold holds for all layers together. Of weights of the same importance those come first, and are removed
    first, that come first in the order of the names in `importance` and within a weight in C order.
    """
    every = np.concatenate([total.contiguous().numpy().reshape(-1) for total in importance.values()])
    removed = removed_weights(sparsity, every.size)
    keep = np.ones(every.size, np.bool_)
    if removed:
        threshold = np.partition(every, removed - 1)[removed - 1]
        keep[every < threshold] = False
        at_threshold = np.flatnonzero(every == threshold)
        keep[at_threshold[: removed - int((~keep).sum())]] = False
    found: dict[str, Tensor] = {}
    start = 0
    for name, total in importance.items():
        found[name] = torch.from_numpy(keep[start : start + total.numel()].copy()).reshape(total.shape)
        start += total.numel()
    return found
