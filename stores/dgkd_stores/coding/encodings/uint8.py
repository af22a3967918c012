"""The encoding `uint8`: a level for each logit, with a scale and an offset for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.encodings.abc import ArrayT, Encoding, RowArray
from dgkd_stores.coding.encodings.registry import register_encoding

__all__ = ["Uint8"]

_FLOAT32_MAX = float(np.finfo(np.float32).max)


@register_encoding
class Uint8(Encoding):
    """256 levels from a row's smallest logit to its largest, in a quarter of the bytes; KL about 6e-6 at temperature 4.

    A row is C levels q and, in `scale`, two float32 (no -0): column 0 the scale, column 1 the offset. A logit is
    fl(fl(q * scale) + offset) in float32: the product is rounded before the sum, no fused multiply-add.

    offset = min x, scale = fl(fl(max x - offset) / 255), q = fl(fl(x - offset) / scale) rounded to the nearest integer,
    ties to even, and clipped to 0..255; q = 0 if scale is 0 (a constant row, or one that spans fewer than 128 times the
    smallest float32). So the smallest logit is exact, and |decoded - x| <= scale / 2 plus the roundings of float32, at
    most 2^-22 times the larger of the row's span and |x|, plus 2^-142.
    """

    largest = 1.7e38
    """Half of float32's maximum: the span of a row must be a float32."""

    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        return (
            RowArray(name="logits", dtype="uint8", columns=classes, dimension="class"),
            RowArray(name="scale", dtype="float32", columns=2, dimension="affine"),
        )

    def pack(self, rows_BF: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        offset_B1 = rows_BF.min(axis=1, keepdims=True)
        above_BC = rows_BF - offset_B1
        scale_B1 = above_BC.max(axis=1, keepdims=True) / np.float32(255)
        levels_BC = np.divide(above_BC, scale_B1, out=np.zeros_like(above_BC), where=scale_B1 > 0)
        levels_BC = np.rint(levels_BC, out=levels_BC).clip(0, 255, out=levels_BC)
        # + 0 makes -0 a 0: min and max may return either, depending on the processor, but equal stores need equal
        # bytes.
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
        with np.errstate(over="ignore", invalid="ignore"):
            if np.abs(scale_B2).max(initial=0) < _FLOAT32_MAX / 256:
                return True
            ends_B2 = scale_B2 * np.array([255, 0], dtype=np.float32) + scale_B2[:, 1:2]
        # Rounding keeps the order, so every level lies between those of q = 255 and q = 0.
        return bool(np.isfinite(ends_B2).all()) or super().finite(arrays)
