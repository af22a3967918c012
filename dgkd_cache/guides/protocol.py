"""The protocol of guides in the training loop, whether they are cached or live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Begun", "Guidance"]


class Begun(Protocol):
    """The kept guides' answer for one batch, begun before the batch is rendered."""

    def softened(self, pixels_BIHW: Tensor) -> Tensor:
        """Returns logits / temperature of the kept guides: (K, B, C) on the device of the batch's `pixels_BIHW`."""


class Guidance(Protocol):
    """Guides in the order of the chain, largest first."""

    @property
    def names(self) -> tuple[str, ...]:
        """The guides' names."""

    @property
    def identities(self) -> Mapping[str, str]:
        """The identity of each guide: the seal of its store, or the digest of its weights."""

    @property
    def topk_names(self) -> tuple[str, ...]:
        """The names of the guides that give their largest logits alone; see `topk_rows`."""

    @property
    def temperature(self) -> float:
        """The temperature by which the logits are divided, and of the loss."""

    def begin(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], keep_G: NDArray[np.bool_]) -> Begun:
        """Reads what is possible before the batch is rendered, on any thread; skips dropped guides."""

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        """Announces, on any thread, pairs of some steps later, so that their rows can be read from the disk."""
