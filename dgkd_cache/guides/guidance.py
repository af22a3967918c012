"""What the training loop asks of its guides, whether they are cached or live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.views.stream import Batch

__all__ = ["Guidance"]


class Guidance(Protocol):
    """Guides in the order of the chain, largest first."""

    @property
    def names(self) -> tuple[str, ...]:
        """The guides' names."""

    @property
    def identities(self) -> Mapping[str, str]:
        """What vouches for each guide: the seal of its store, or the digest of its weights."""

    def softened(self, batch: Batch, keep_G: NDArray[np.bool_]) -> Tensor:
        """Logits / temperature of the kept guides: (K, B, C) on the device. A dropped guide is not touched."""
