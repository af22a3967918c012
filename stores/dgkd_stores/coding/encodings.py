"""Encodings, the forms of a row of float32 logits on disk: one small class for each encoding, in a registry by name.

An encoding states its arrays for each row; layout, digests, writer and reader follow from that statement
alone. What it decodes with serves numpy arrays and torch tensors alike, so rows can be decoded where they are used.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import require_kind
from dgkd_stores.errors import InvalidInput

__all__ = [
    "Encoding",
    "Float16",
    "Float32",
    "RowArray",
    "Uint8",
    "encoding_named",
    "encoding_names",
    "register_encoding",
]

ArrayT = TypeVar("ArrayT")
"""numpy's array or torch's tensor."""


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

    largest: float = float(np.finfo(np.float32).max)
    """Every logit up to this size can be held."""

    @abstractmethod
    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        """The arrays of a row, in name order."""

    @abstractmethod
    def pack(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """The stored arrays of finite logits by name, little-endian; what cannot be held may decode to no number."""

    @abstractmethod
    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        """Logits [B, C] in a floating type from the stored arrays, all of numpy or all of torch on one device.

        Written with operators and indexing that both have and that round alike, so both give the same bits.
        """

    def encode(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """The stored arrays by name, little-endian; `InvalidInput` for a value that cannot be held."""
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
        """True where stored arrays decode to numbers alone."""
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(self.decode(arrays)).all())

    def row_bytes(self, classes: int) -> int:
        """Bytes of one row over all its arrays."""
        return sum(array.row_bytes for array in self.row_arrays(classes))


_FLOAT32_MAX = float(np.finfo(np.float32).max)

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


def encoding_named(name: str) -> Encoding:
    """The encoding of that name; `InvalidInput` names the known ones and the closest."""
    require_kind("encoding_named", "name", name, str, expected="the name of an encoding")
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

    def pack(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return {"logits": logits_BC.astype(np.dtype(self.name).newbyteorder("<"))}

    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        return arrays["logits"]


@register_encoding
class Float32(_Float):
    """Exact."""


@register_encoding
class Float16(_Float):
    """Half the bytes; KL to the exact rows about 1e-8 at temperature 4."""

    largest = float(np.finfo(np.float16).max)

    def finite(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        # An exponent of all ones is from 0x7C00 on in positive numbers, from 0xFC00 on in negative ones. Two maxima of
        # integers take a tenth of SHA-256 of the same bytes; numpy's isfinite of float16 takes longer than it.
        bits = arrays["logits"].view("<u2")
        return bool(bits.max(initial=0) < 0xFC00 and bits.view("<i2").max(initial=0) < 0x7C00)


@register_encoding
class Uint8(Encoding):
    """A quarter of the bytes: 256 levels from a row's smallest logit to its largest; KL about 6e-6 at temperature 4.

    A row is C levels q and, in `scale`, two float32 (no -0): column 0 the scale, column 1 the offset. A logit is
    fl(fl(q * scale) + offset) in float32: the product is rounded before the sum, no fused multiply-add.

    offset = min x, scale = fl(fl(max x - offset) / 255), q = fl(fl(x - offset) / scale) rounded to the nearest
    integer, ties to even, and cut to 0..255; where scale is 0 (a constant row, or one that spans fewer than 128
    times the smallest float32), q = 0. So the smallest logit is exact, and |decoded - x| <= scale / 2 plus the
    roundings of float32, at most 2^-22 times the larger of the row's span and |x|, plus 2^-142.
    """

    largest = 1.7e38
    """Half of float32's: the span of a row must be a float32."""

    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        return (
            RowArray(name="logits", dtype="uint8", columns=classes, dimension="class"),
            RowArray(name="scale", dtype="float32", columns=2, dimension="affine"),
        )

    def pack(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        offset_B1 = logits_BC.min(axis=1, keepdims=True)
        above_BC = logits_BC - offset_B1
        scale_B1 = above_BC.max(axis=1, keepdims=True) / np.float32(255)
        levels_BC = np.divide(above_BC, scale_B1, out=np.zeros_like(above_BC), where=scale_B1 > 0)
        levels_BC = np.rint(levels_BC, out=levels_BC).clip(0, 255, out=levels_BC)
        # + 0 makes -0 a 0: which of them min and max give depends on the processor, and equal stores have equal bytes.
        scale_B2 = np.concatenate([scale_B1, offset_B1], axis=1) + np.float32(0)
        return {"logits": levels_BC.astype(np.uint8), "scale": scale_B2.astype("<f4", copy=False)}

    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        q_BC: Any = arrays["logits"]
        scale_B2: Any = arrays["scale"]
        logits_BC: ArrayT = q_BC * scale_B2[:, 0:1] + scale_B2[:, 1:2]
        return logits_BC

    def finite(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        scale_B2 = arrays["scale"]
        # Every level lies within 255 steps of the offset: at most 256 times the largest number of all. NaN is no less.
        with np.errstate(invalid="ignore"):
            if np.abs(scale_B2).max(initial=0) < _FLOAT32_MAX / 256:
                return True
        with np.errstate(over="ignore", invalid="ignore"):
            ends_B2 = scale_B2 * np.array([255, 0], dtype=np.float32) + scale_B2[:, 1:2]
        # Rounding keeps the order, so every level lies between those of q = 255 and q = 0.
        return bool(np.isfinite(ends_B2).all()) or super().finite(arrays)
