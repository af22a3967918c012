"""The contract of an encoding, the form of a row of float32 logits on disk.

An encoding defines its arrays for each row; layout, digests, writer and reader follow from this definition. Decoding
works on numpy arrays and torch tensors, so rows can be decoded where they are used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.errors import InvalidInput

__all__ = ["ArrayT", "Encoding", "Floating", "RowArray"]

ArrayT = TypeVar("ArrayT")
"""A numpy array or a torch tensor."""


@dataclass(frozen=True, kw_only=True)
class RowArray:
    """An array with a fixed number of elements in each row.

    `name` is the Zarr array's; its twin for the test set is called `test_` + `name`.
    """

    name: str
    dtype: str
    columns: int
    dimension: str


class Encoding(ABC):
    """Converts float32 logits to the stored arrays and back."""

    name: str

    largest: float = float(np.finfo(np.float32).max)
    """The largest logit that can be encoded."""

    @abstractmethod
    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        """Returns the arrays of a row, in name order."""

    @abstractmethod
    def pack(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays of finite logits by name, little-endian; an overflow may decode to NaN."""

    @abstractmethod
    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        """Returns logits [B, C] in a floating type from the stored arrays, all of numpy or all of torch on one device.

        Uses only operators and indexing that both have and that round alike, so both give the same bits.
        """

    def encode(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays by name, little-endian; raises InvalidInput for a value that cannot be encoded."""
        if not np.isfinite(logits_BC).all():
            raise InvalidInput(
                "a guide gave logits that are no numbers",
                expected="finite logits",
                found="NaN or infinity",
                do="train the model again, or dump it with precision float32",
            )
        with np.errstate(over="ignore", invalid="ignore"):
            arrays = self.pack(logits_BC)
        if not self.finite(arrays):
            raise InvalidInput(
                f"logits too large for {self.name}",
                expected=f"at most {self.largest:g} in size",
                found=f"{np.abs(logits_BC).max():g}",
                do="use the encoding float32",
            )
        return arrays

    def finite(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Returns True if stored arrays decode to finite numbers only."""
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(self.decode(arrays)).all())

    def row_bytes(self, classes: int) -> int:
        """Bytes of one row over all its arrays."""
        return sum(array.columns * np.dtype(array.dtype).itemsize for array in self.row_arrays(classes))


class Floating(Encoding):
    """Stores logits as IEEE numbers in one array, whose type is the encoding's name."""

    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        return (RowArray(name="logits", dtype=self.name, columns=classes, dimension="class"),)

    def pack(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return {"logits": logits_BC.astype(np.dtype(self.name).newbyteorder("<"))}

    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        return arrays["logits"]
