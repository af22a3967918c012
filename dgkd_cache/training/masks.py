"""Masks: the weights of a model that were removed and stay zero, whatever optimiser, momentum and decay do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from dgkd_cache.models.prunable import prunable_weights

__all__ = ["Masks"]


class Masks:
    """The kept weights of a model, a bool tensor for each weight that can be pruned; all others are zero and stay so.

    `keep` has the tensors by the weights' names; the model is masked at once. A training step calls `mask_gradients`
    before the optimiser's step, so that no momentum gathers for what is removed, and `apply` after it.
    """

    def __init__(self, model: nn.Module, keep: Mapping[str, Tensor]) -> None:
        self._weights = prunable_weights(model)
        assert set(keep) == set(self._weights), "a mask for each weight that can be pruned"
        self._removed = {name: torch.empty_like(weight, dtype=torch.bool) for name, weight in self._weights.items()}
        self._set(keep)
        self.apply()

    def apply(self) -> None:
        """Sets the removed weights to zero."""
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.masked_fill_(self._removed[name], 0)

    def mask_gradients(self) -> None:
        """Sets the gradients of removed weights to zero."""
        for name, weight in self._weights.items():
            if weight.grad is not None:
                weight.grad.masked_fill_(self._removed[name], 0)

    @property
    def kept(self) -> dict[str, tuple[int, int]]:
        """The number of kept elements of each weight, and of all its elements, by name."""
        return {
            name: (removed.numel() - int(removed.sum()), removed.numel()) for name, removed in self._removed.items()
        }

    def state(self) -> dict[str, Tensor]:
        """Returns the masks for a checkpoint: by name, a bit for each element in C order, 1 for a kept one."""
        return {
            name: torch.from_numpy(np.packbits(~removed.cpu().contiguous().numpy().reshape(-1), bitorder="little"))
            for name, removed in self._removed.items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores the masks that `state` returned, and masks the weights. Raises LookupError or ValueError."""
        keep: dict[str, Tensor] = {}
        for name, removed in self._removed.items():
            packed = state[name].numpy()
            if packed.dtype != np.uint8 or packed.shape != ((removed.numel() + 7) // 8,):
                raise ValueError(f"a mask of {name} of another size")
            bits = np.unpackbits(packed, count=removed.numel(), bitorder="little")
            keep[name] = torch.from_numpy(bits.astype(np.bool_)).reshape(removed.shape)
        self._set(keep)
        self.apply()

    def _set(self, keep: Mapping[str, Tensor]) -> None:
        for name, removed in self._removed.items():
            removed.copy_(~keep[name])
