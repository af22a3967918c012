"""The common base of IEEE encodings: one array, whose type is the encoding's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.encodings.abc import ArrayT, Encoding, RowArray

__all__ = ["Floating"]


class Floating(Encoding):
    """Stores logits as IEEE numbers in one array."""

    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        return (RowArray(name="logits", dtype=self.name, columns=classes, dimension="class"),)

    def pack(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return {"logits": logits_BC.astype(np.dtype(self.name).newbyteorder("<"))}

    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        return arrays["logits"]
