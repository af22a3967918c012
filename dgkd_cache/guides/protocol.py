"""The protocol of guides in the training loop, whether they are cached or live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.views.stream import Batch

__all__ = ["Guidance", "Softened"]

Softened = Callable[[Batch], Tensor]
"""Logits / temperature of the kept guides for the batch that was announced: (K, B, C) on the device."""


class Guidance(Protocol):
    """Guides in the order of the chain, largest first."""

    @property
    def names(self) -> tuple[str, ...]:
        """The guides' names."""

    @property
    def identities(self) -> Mapping[str, str]:
        """The identity of each guide: the seal of its store, or the digest of its weights."""

    def begin(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], keep_G: NDArray[np.bool_]) -> Softened:
        """Reads what is possible before the batch is rendered, on any thread; skips dropped guides."""

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        """Announces, on any thread, pairs of some steps later, so that their rows can be read from the disk."""
