"""The partners that samples are mixed with: another sample of the same part of the data set, drawn by counter.

Training and held-out samples are parts of their own: no training image holds pixels of a held-out one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.split import split_samples
from dgkd_cache.errors import InvalidInput
from dgkd_cache.views.abc import IntArray

__all__ = ["Partners"]


class Partners:
    """The partners of `samples` samples, of which `held_out` are held out of training as by `split_samples`.

    Raises InvalidInput for a part of one sample, which has no other, and if nothing is left to train on.
    """

    def __init__(self, samples: int, held_out: int) -> None:
        self.parts = [part for part in split_samples(samples, held_out) if len(part)]
        for part, name in zip(self.parts, ("training", "held-out"), strict=False):
            if len(part) == 1:
                raise InvalidInput(
                    f"a single {name} sample cannot be mixed with another",
                    expected=f"at least two {name} samples, for views that mix",
                    found=f"1 of {samples}",
                    do="leave out what mixes, or hold out another number of samples",
                )
        self._members_N = np.concatenate(self.parts)
        self._place_N = np.empty(samples, np.int64)
        self._place_N[self._members_N] = np.arange(samples)

    def of(self, samples_B: IntArray, drawn_B: IntArray) -> IntArray:
        """Returns the partner of each sample: `drawn_B`, below 2^32, chooses evenly among the others of its part."""
        train = len(self.parts[0])
        place_B = self._place_N[samples_B]
        held_B = place_B >= train
        first_B = np.where(held_B, train, 0)
        size_B = np.where(held_B, len(self._place_N) - train, train)
        number_B = drawn_B * (size_B - 1) >> 32
        number_B += number_B >= place_B - first_B  # the sample itself is passed over
        partner_B: IntArray = self._members_N[first_B + number_B]
        return partner_B

    def require_whole(self, samples_N: NDArray[np.int64]) -> None:
        """Raises InvalidInput for some of a part's samples: they would be mixed with those that are left out."""
        for part in self.parts:
            inside = int(np.isin(part, samples_N).sum())
            if 0 < inside < len(part):
                held = len(self._place_N) - len(self.parts[0])
                raise InvalidInput(
                    "the samples to train on are mixed with samples that are left out",
                    expected=f"all {len(part)} samples of a part; the view plan says that {held} are held out",
                    found=f"{inside} of them",
                    do="train on all of them; other held-out samples need another view plan, and guides dumped with it",
                )
