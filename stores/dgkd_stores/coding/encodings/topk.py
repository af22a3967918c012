"""The encoding `topk`: the K largest logits with their classes, and the log-sum-exp of all others.

For sources that give no more than that, and for rows of a few bytes: 4 K + 4 n bytes up to 65,536 classes, for n
temperatures. The classes that a row leaves out share their probability evenly, at each temperature that has a tail; at
any other one nothing is known of them, and the row is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.encodings.abc import ArrayT, Encoding, RowArray
from dgkd_stores.coding.encodings.float16 import float16_is_finite
from dgkd_stores.coding.encodings.registry import register_encoding
from dgkd_stores.errors import InvalidInput

__all__ = ["Topk"]

MOST_TEMPERATURES = 16

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,30})(\.[0-9]{1,400})?")
_RATIO = 2.0**20
"""The largest ratio of two temperatures. With it, finite logits of float16 have finite tails, and these finite rows."""

_TAIL = 2.0**40
_SHORT = 2**16

_SLAB = 2**22
"""Logits that are condensed at a time: in float64 they take several times their bytes."""


@register_encoding
class Topk(Encoding):
    """K classes `index` (ascending), their `logits` (float16), and a `tail` (float32) for each of n temperatures.

    The classes are integers of their own, because float16 is exact only to 2,048: uint16, or int32 from 65,537 classes
    on. A tail is float32: in float16 one near 12 would be off by 2^-8, and the share of the tail by as much. A
    condensed row is float32 (2 K + n): classes, logits, tails; float32 is exact for all 2^20 classes that there may be.
    """

    version = 2
    largest = float(np.finfo(np.float16).max)
    rule = "finite numbers, and classes in ascending order"
    breach = "another number or another order"

    def __init__(self, k: int = 0, temperatures: tuple[str, ...] = (), classes: int = 0, *, at: int = 0) -> None:
        self._k, self._texts, self._classes, self._at = k, temperatures, classes, at
        self.temperatures = tuple(float(text) for text in temperatures)

    @property
    def settings(self) -> dict[str, JsonValue]:
        return {"k": self._k, "temperatures": list(self._texts)}

    def with_settings(self, settings: Mapping[str, JsonValue], classes: int) -> Encoding:
        k, texts = settings.get("k"), settings.get("temperatures")
        if set(settings) != {"k", "temperatures"} or type(k) is not int or not 1 <= k < classes:
            raise InvalidInput(
                "store header, encoding_settings",
                expected=f"k, an integer from 1 to {classes - 1}, and temperatures, for {classes} classes",
                found=", ".join(f"{key} {value!r}" for key, value in sorted(settings.items()))[:80] or "none",
            )
        if not isinstance(texts, list | tuple) or not _are_temperatures(texts):
            raise InvalidInput(
                "store header, encoding_settings.temperatures",
                expected=f"1 to {MOST_TEMPERATURES} decimals, the store's own first and then ascending, none twice, "
                "within 2^20 of the first",
                found=repr(texts)[:80],
            )
        return Topk(k, tuple(map(str, texts)), classes)

    def check_temperature(self, temperature: str) -> None:
        if self._texts[0] != temperature:
            raise InvalidInput(
                "store header, encoding_settings.temperatures",
                expected=f"temperatures that begin with that of the rows, {temperature}",
                found=self._texts[0],
            )

    def at(self, temperature: float) -> Encoding:
        if temperature not in self.temperatures:
            raise InvalidInput(
                f"rows of {self._k} classes say nothing of the others at another temperature",
                expected=" or ".join(self._texts),
                found=f"{temperature:g}",
            )
        return Topk(self._k, self._texts, self._classes, at=self.temperatures.index(temperature))

    def row_arrays(self, classes: int) -> tuple[RowArray, ...]:
        index = "uint16" if classes <= _SHORT else "int32"
        return (
            RowArray(name="index", dtype=index, columns=self._k, dimension="entry"),
            RowArray(name="logits", dtype="float16", columns=self._k, dimension="entry"),
            RowArray(name="tail", dtype="float32", columns=len(self._texts), dimension="temperature"),
        )

    def columns(self, classes: int) -> int:
        return 2 * self._k + len(self._texts)

    def project(self, logits_BC: ArrayT) -> ArrayT:
        given: Any = logits_BC
        rows: Any = self.condense(given) if isinstance(given, np.ndarray) else self._condense_tensor(given)
        condensed: ArrayT = rows
        return condensed

    def condense(self, logits_BC: NDArray[np.float32]) -> NDArray[np.float32]:
        step = max(1, _SLAB // self._classes)
        slabs = [self._condense(logits_BC[at : at + step]) for at in range(0, len(logits_BC), step)]
        return np.concatenate(slabs) if slabs else self._condense(logits_BC)

    def _condense(self, logits_BC: NDArray[np.float32]) -> NDArray[np.float32]:
        taken_BC = self._largest_of(logits_BC)
        index_BK = taken_BC.nonzero()[1].reshape(-1, self._k)
        rest_BT = logits_BC[~taken_BC].reshape(-1, self._classes - self._k).astype(np.float64)
        top_B1 = rest_BT.max(axis=1, keepdims=True)
        tails = []
        for temperature in self.temperatures:
            scale = self.temperatures[0] / temperature
            tails.append(np.log(np.exp((rest_BT - top_B1) * scale).sum(axis=1, keepdims=True)) + top_B1 * scale)
        parts = [index_BK, np.take_along_axis(logits_BC, index_BK, axis=1), *tails]
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def expand(self, rows_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        logits_BC: NDArray[np.float32] = self._dense(*self._parts(rows_BF))
        return logits_BC

    def comparable(self, rows_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        # Two classes of nearly equal logits may change places at the border of the K: what a row leaves out counts as
        # its smallest logit. A tail is brought to the scale of the rows.
        index_BK, logits_BK, tail_Bn = self._parts(rows_BF)
        dense_BC = _spread(logits_BK.min(axis=1, keepdims=True), index_BK, logits_BK, self._classes)
        scales_n = np.array([each / self.temperatures[0] for each in self.temperatures], np.float32)
        return np.concatenate([dense_BC, tail_Bn * scales_n], axis=1)

    def largest_class(self, rows_BF: NDArray[np.float32]) -> NDArray[np.int64]:
        index_BK, logits_BK, _ = self._parts(rows_BF)
        return np.take_along_axis(index_BK, logits_BK.argmax(axis=1, keepdims=True), axis=1)[:, 0]

    def magnitude(self, rows_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        # A class is no magnitude. A tail counts where it is over its own bound, or no number.
        _, logits_BK, tail_Bn = self._parts(rows_BF)
        size_B, tail_B = (np.abs(part).max(axis=1, initial=0) for part in (logits_BK, tail_Bn))
        found_B: NDArray[np.float32] = np.where(tail_B <= _TAIL, size_B, tail_B)
        return found_B

    def check_condensed(self, rows_BF: NDArray[np.float32]) -> None:
        super().check_condensed(rows_BF)
        index_BK = rows_BF[:, : self._k]
        if not (index_BK == np.rint(index_BK)).all() or not self._in_order(index_BK):
            raise InvalidInput(
                "condensed rows of the encoding topk",
                expected=f"{self._k} classes from 0 to {self._classes - 1} first, in ascending order",
                found="others",
            )

    def condensed(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        parts = (arrays["index"], arrays["logits"], arrays["tail"])
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def pack(self, rows_BF: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        index_BK, logits_BK, tail_Bn = self._parts(rows_BF)
        dtype = np.dtype(self.row_arrays(self._classes)[0].dtype).newbyteorder("<")
        return {"index": index_BK.astype(dtype), "logits": logits_BK.astype("<f2"), "tail": tail_Bn.astype("<f4")}

    def decode(self, arrays: Mapping[str, ArrayT]) -> ArrayT:
        logits: ArrayT = self._dense(arrays["index"], arrays["logits"], arrays["tail"])
        return logits

    def finite(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        tail_Bn = arrays["tail"]
        # NaN is within no bound.
        within = bool(tail_Bn.max(initial=-_TAIL) <= _TAIL and tail_Bn.min(initial=_TAIL) >= -_TAIL)
        return within and float16_is_finite(arrays["logits"]) and self._in_order(arrays["index"])

    def _parts(
        self, rows_BF: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Returns classes, logits and tails of condensed rows."""
        k = self._k
        with np.errstate(invalid="ignore"):  # a row that is no number is refused by its magnitude
            index_BK = rows_BF[:, :k].astype(np.int64)
        return index_BK, rows_BF[:, k : 2 * k], rows_BF[:, 2 * k :]

    def _in_order(self, index_BK: NDArray[Any]) -> bool:
        if index_BK[:, 0].min(initial=0) < 0 or index_BK[:, -1].max(initial=0) >= self._classes:
            return False
        # All rows as one: three times as fast as row by row. The first class of a row may be below the last of the row
        # before.
        flat = index_BK.ravel()
        above = flat[1:] > flat[:-1]
        above[self._k - 1 :: self._k] = True
        return bool(above.all())

    def _largest_of(self, logits_BC: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Returns which K classes of each row have the largest logits, the lower class first where they are equal."""
        place = self._classes - self._k
        least_B1 = np.partition(logits_BC, place, axis=1)[:, place : place + 1]
        above_BC, equal_BC = logits_BC > least_B1, logits_BC == least_B1
        left_B1 = self._k - above_BC.sum(axis=1, keepdims=True)
        taken_BC: NDArray[np.bool_] = above_BC | (equal_BC & (equal_BC.cumsum(axis=1) <= left_B1))
        return taken_BC

    def _condense_tensor(self, logits_BC: Any) -> Any:
        """Returns what `condense` does of a tensor, on its device, by its own methods; tails in float32."""
        logits_BC = logits_BC.float()
        least_B1 = logits_BC.topk(self._k, 1).values[:, -1:]
        above_BC, equal_BC = logits_BC > least_B1, logits_BC == least_B1
        left_B1 = self._k - above_BC.sum(1, keepdim=True)
        taken_BC = above_BC | (equal_BC & (equal_BC.cumsum(1) <= left_B1))
        # Numbers of classes as float32, which is exact; those that are not taken come last.
        class_C = logits_BC.new_ones(self._classes).cumsum(0) - 1
        numbered_BC = class_C.expand_as(logits_BC).masked_fill(~taken_BC, self._classes - 1)
        index_BK = numbered_BC.topk(self._k, 1, largest=False).values
        rest_BC = logits_BC.masked_fill(taken_BC, -math.inf)
        tails = [(rest_BC * (self.temperatures[0] / each)).logsumexp(1, keepdim=True) for each in self.temperatures]
        # A row with NaN or infinity anywhere has NaN here: the tail would hide minus infinity.
        known_B1 = logits_BC.isfinite().all(1, keepdim=True)
        tail_Bn = _beside(*tails).masked_fill(~known_B1, math.nan)
        return _beside(index_BK, logits_BC.gather(1, index_BK.long()), tail_Bn)

    def _dense(self, index_BK: Any, logits_BK: Any, tail_Bn: Any) -> Any:
        """Returns the row (B, C) for the temperature that this encoding is at, in float32."""
        even_B1 = tail_Bn[:, self._at : self._at + 1] - math.log(self._classes - self._k)
        if self._at:
            even_B1 = even_B1 * (self.temperatures[self._at] / self.temperatures[0])
        return _spread(even_B1, index_BK, logits_BK, self._classes)


def _spread(even_B1: Any, index_BK: Any, logits_BK: Any, classes: int) -> Any:
    """Returns rows (B, C) of one number each, with other ones at some places; of numpy or of torch."""
    if isinstance(index_BK, np.ndarray):
        rows_BC = np.repeat(even_B1, classes, axis=1)
        np.put_along_axis(rows_BC, index_BK.astype(np.int64), logits_BK.astype(rows_BC.dtype), axis=1)
        return rows_BC
    index_BK = index_BK.long()
    if classes <= _SHORT:
        index_BK = index_BK & (_SHORT - 1)  # torch gets the bytes of uint16 as int16: few of its operations take uint16
    return even_B1.repeat(1, classes).scatter_(1, index_BK, logits_BK.to(even_B1.dtype))


def _beside(*parts: Any) -> Any:
    """Returns tensors (B, X) of one type side by side."""
    rows = parts[0].new_empty(len(parts[0]), sum(part.shape[1] for part in parts))
    at = 0
    for part in parts:
        rows[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return rows


def _are_temperatures(texts: list[JsonValue] | tuple[JsonValue, ...]) -> bool:
    if not 1 <= len(texts) <= MOST_TEMPERATURES:
        return False
    if not all(isinstance(text, str) and _DECIMAL.fullmatch(text) for text in texts):
        return False
    first, *others = (float(str(text)) for text in texts)
    if not 0 < first < math.inf or first in others:
        return False
    ascending = all(one < other for one, other in zip(others, others[1:], strict=False))
    return ascending and all(first / _RATIO <= each <= first * _RATIO for each in others)
