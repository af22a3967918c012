"""The contract of an encoding, the form of a row of float32 logits on disk.

An encoding defines its arrays for each row; layout, digests, writer and reader follow from this definition. Decoding
works on numpy arrays and torch tensors, so rows can be decoded where they are used. F is the number of elements of a
condensed row: logits reduced to what the encoding keeps of them, before they are rounded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.errors import InvalidInput

__all__ = ["ArrayT", "Encoding", "Floating", "RowArray", "SharedArray"]

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


@dataclass(frozen=True, kw_only=True)
class SharedArray:
    """An array that all rows of a store have in common; `sizes` are those of its dimensions, by their names."""

    name: str
    dtype: str
    sizes: Mapping[str, int]


class Encoding(ABC):
    """Converts float32 logits to the stored arrays and back."""

    name: str
    """The name, as in a header."""

    version: int = 1
    """The version of the format that its stores are written in."""

    largest: float = float(np.finfo(np.float32).max)
    """The largest `magnitude` of a condensed row that can be encoded."""

    rule: str = "finite numbers"
    """The demand of `finite` on stored arrays, for messages."""

    breach: str = "NaN or infinity"
    """The values that were found where it fails, for messages."""

    temperatures: tuple[float, ...] = ()
    """The temperatures that rows can be used at, the store's own first; empty for all."""

    @property
    def settings(self) -> dict[str, JsonValue]:
        """The header's `encoding_settings`; empty for an encoding of version 1."""
        return {}

    def with_settings(self, settings: Mapping[str, JsonValue], classes: int) -> Encoding:
        """Returns this encoding for stores of so many classes. Raises InvalidInput for settings that it cannot have."""
        if settings:
            raise InvalidInput(
                "store header, encoding_settings",
                expected=f"none for {self.name}",
                found=", ".join(sorted(settings))[:80],
            )
        return self

    def check_temperature(self, temperature: str) -> None:
        """Raises InvalidInput for a header's temperature that its `encoding_settings` do not fit."""
        return None

    def at(self, temperature: float) -> Encoding:
        """Returns this encoding for rows that are used at a temperature; they stay divided by the store's own.

        Raises InvalidInput for one at which the rows are not known.
        """
        return self

    @abstractmethod
    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        """Returns the arrays of a row, in name order."""

    def shared_arrays(self, classes: int) -> tuple[SharedArray, ...]:
        """Returns the arrays that all rows have in common, in name order."""
        return ()

    def bound(self, shared: Mapping[str, Any]) -> Self:
        """Returns this encoding with the store's shared arrays, of numpy or of torch, which rows are decoded by."""
        return self

    def out_of_bounds(self, shared: Mapping[str, NDArray[Any]]) -> str | None:
        """Returns the name of the first shared array with an element that the format does not allow, or None."""
        return None

    def check_shared(self, shared: Mapping[str, NDArray[Any]]) -> None:
        """Raises InvalidInput for shared arrays that a writer must not write."""
        assert not shared, "their names were held to `shared_arrays`"

    def columns(self, classes: int) -> int:
        """Returns F, the number of elements of a condensed row."""
        return classes

    def condense(self, logits_BC: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns float32 (B, F): logits reduced to what the encoding keeps. Raises InvalidInput if it cannot."""
        return logits_BC

    def project(self, logits_BC: ArrayT) -> ArrayT:
        """Returns what `condense` does, unchecked, of numpy or torch; a row that is no number stays recognisable."""
        return logits_BC

    def misfit(self, logits_BC: NDArray[np.float32]) -> float:
        """Returns how far rows are from those that it can hold, as a part of their largest logit: of the worst row."""
        return 0.0

    def expand(self, rows_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the logits (B, C) of condensed rows."""
        return rows_BF

    def comparable(self, rows_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns condensed rows as numbers (B, X) that are close where the guide's logits are; most often these."""
        return self.expand(rows_BF)

    def largest_class(self, rows_BF: NDArray[np.float32]) -> NDArray[np.int64]:
        """Returns int64 (B,): the class of the largest logit of condensed rows, the lowest of several."""
        class_B: NDArray[np.int64] = self.expand(rows_BF).argmax(axis=1)
        return class_B

    def magnitude(self, rows_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns float32 (B,): the size of the largest number that `pack` rounds; NaN or infinity where one is."""
        size_B: NDArray[np.float32] = np.abs(rows_BF).max(axis=1, initial=0)
        return size_B

    def check_condensed(self, rows_BF: NDArray[np.float32]) -> None:
        """Raises InvalidInput for condensed rows that are none."""
        _require_finite(rows_BF)

    def condensed(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Returns float32 (B, F), the condensed rows of stored arrays."""
        return self.decode(arrays).astype(np.float32)

    @abstractmethod
    def pack(self, rows_BF: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays of finite condensed rows by name, little-endian; an overflow may decode to NaN."""

    @abstractmethod
    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        """Returns logits [B, C] in a floating type from the stored arrays, all of numpy or all of torch on one device.

        Uses only operators and indexing that both have, or each one's own where they have none in common. Both give the
        same bits, but for the order of the sums of `factored`.
        """

    def encode(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays by name, little-endian; raises InvalidInput for a value that cannot be encoded."""
        _require_finite(logits_BC)
        return self.encode_condensed(self.condense(logits_BC))

    def encode_condensed(self, rows_BF: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Returns the stored arrays of condensed rows; raises as `encode`."""
        self.check_condensed(rows_BF)
        with np.errstate(over="ignore", invalid="ignore"):
            arrays = self.pack(rows_BF)
        if not self.finite(arrays):
            raise InvalidInput(
                f"logits too large for {self.name}",
                expected=f"at most {self.largest:g} in size",
                found=f"{self.magnitude(rows_BF).max():g}",
                do="use the encoding float32",
            )
        return arrays

    def finite(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Returns True if stored arrays are as `rule` says: they decode to finite numbers, and to nothing else."""
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(self.decode(arrays)).all())

    def row_bytes(self, classes: int) -> int:
        """Bytes of one row over all its arrays."""
        return sum(array.columns * np.dtype(array.dtype).itemsize for array in self.row_arrays(classes))


class Floating(Encoding):
    """Stores logits as IEEE numbers in one array, whose type is the encoding's name."""

    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        return (RowArray(name="logits", dtype=self.name, columns=classes, dimension="class"),)

    def pack(self, rows_BF: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return {"logits": rows_BF.astype(np.dtype(self.name).newbyteorder("<"))}

    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        return arrays["logits"]


def _require_finite(rows: NDArray[np.float32]) -> None:
    if not np.isfinite(rows).all():
        raise InvalidInput(
            "a guide gave logits that are no numbers",
            expected="finite logits",
            found="NaN or infinity",
            do="train the model again, or dump it with precision float32",
        )
