"""How a row of float32 logits is held on disk: one small class for each encoding, in a registry by name.

An encoding states its arrays for each row; layout, digests, writer and reader follow from that statement
alone.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInput

__all__ = ["Encoding", "Float16", "Float32", "RowArray", "encoding", "encoding_names", "register_encoding"]


@dataclass(frozen=True, kw_only=True)
class RowArray:
    """One array that has a fixed number of elements in each row.

    `name` is the Zarr array's; its twin for the test set is called `test_` + `name`.
    """

    name: str
    dtype: str
    columns: int
    dimension: str

    @property
    def row_bytes(self) -> int:
        """Bytes that this array adds to a row."""
        return self.columns * np.dtype(self.dtype).itemsize


class Encoding(ABC):
    """From float32 logits to the stored arrays and back."""

    name: str

    @abstractmethod
    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        """The arrays of a row, in name order."""

    @abstractmethod
    def encode(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """The stored arrays by name, little-endian; `InvalidInput` for a value that cannot be held."""

    @abstractmethod
    def decode(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Float32 logits [B, C] from the stored arrays."""

    def row_bytes(self, classes: int) -> int:
        """Bytes of one row over all its arrays."""
        return sum(array.row_bytes for array in self.row_arrays(classes))


_ENCODINGS: dict[str, Encoding] = {}


def register_encoding(cls: type[Encoding]) -> type[Encoding]:
    """Make an encoding known under its class's name in lower case; a name given twice is a bug."""
    cls.name = cls.__name__.lower()
    assert cls.name not in _ENCODINGS, cls.name
    _ENCODINGS[cls.name] = cls()
    return cls


def encoding_names() -> tuple[str, ...]:
    """Every known encoding, in name order."""
    return tuple(sorted(_ENCODINGS))


def encoding(name: str) -> Encoding:
    """The encoding of that name; `InvalidInput` names the known ones and the closest."""
    if name not in _ENCODINGS:
        closest = difflib.get_close_matches(name, _ENCODINGS, n=1, cutoff=0.4)
        raise InvalidInput(
            "unknown encoding",
            expected=f"one of {', '.join(encoding_names())}",
            found=repr(name[:64]),
            do=f"did you mean {closest[0]!r}?" if closest else "",
        )
    return _ENCODINGS[name]


class _Float(Encoding):
    """Logits as IEEE numbers, one array."""

    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        return (RowArray(name="logits", dtype=self.name, columns=classes, dimension="class"),)

    def encode(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        if not np.isfinite(logits_BC).all():
            raise InvalidInput(
                "a guide gave logits that are no numbers",
                expected="finite logits",
                found="NaN or infinity",
                do="train the model again, or dump it with precision float32",
            )
        with np.errstate(over="ignore"):
            stored_BC = logits_BC.astype(np.dtype(self.name).newbyteorder("<"))
        if not np.isfinite(stored_BC).all():
            raise InvalidInput(
                f"logits too large for {self.name}",
                expected=f"at most {np.finfo(self.name).max:g} in size",
                found=f"{np.abs(logits_BC).max():g}",
                do="use the encoding float32",
            )
        return {"logits": stored_BC}

    def decode(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        return arrays["logits"].astype(np.float32)


@register_encoding
class Float32(_Float):
    """Exact."""


@register_encoding
class Float16(_Float):
    """Half the bytes; KL to the exact rows about 1e-8 at temperature 4."""
