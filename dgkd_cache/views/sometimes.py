"""The base of transforms that change some of the samples of a batch and leave the others as they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.views.abc import IntArray, Transform, WordArray
from dgkd_cache.views.fixed_point import chance, is_even_chance

__all__ = ["Sometimes", "change_rows"]


def change_rows(pixels_BIHW: Tensor, rows_S: IntArray, change: Callable[..., Tensor], *values_B: IntArray) -> Tensor:
    """Returns the batch with `change` applied to the samples in these rows, which are different ones.

    `change` gets their pixels, and of each of `values_B` those of these samples.
    """
    if not len(rows_S):
        return pixels_BIHW
    values = [value_B[rows_S] for value_B in values_B]
    if len(rows_S) == len(pixels_BIHW):
        return change(pixels_BIHW, *values)
    places = send(rows_S, pixels_BIHW.device)
    return pixels_BIHW.index_copy(0, places, change(pixels_BIHW.index_select(0, places), *values))


@dataclass(frozen=True)
class Sometimes(Transform):
    """A transform that is applied with a probability, its last argument.

    Its first parameter is `applied`, 0 or 1; it has no other one, unless a subclass adds some.
    """

    words: ClassVar[int] = 1

    @property
    def chance(self) -> str:
        """Its probability, a decimal: the last argument."""
        return str(getattr(self, fields(self)[len(self.arguments) - 1].name))

    @property
    def limits(self) -> dict[str, int]:
        return {"applied": 2}

    @property
    def outcomes(self) -> int | None:
        return super().outcomes if is_even_chance(self.chance) else None

    def parameters(self, words_BW: WordArray) -> IntArray:
        return chance(words_BW[:, :1], self.chance)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        return change_rows(pixels_BIHW, np.flatnonzero(parameters_BP[:, 0]), self.change, parameters_BP)

    @abstractmethod
    def change(self, pixels_SIHW: Tensor, parameters_SP: IntArray) -> Tensor:
        """Returns the changed pixels of the samples that it is applied to."""
