"""The validation split, fixed by the number of samples and the number held out: the same for every model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import Domain, permutation

__all__ = ["split_samples"]

_KEY = b"dgkd-validation!"  # 16 bytes: one split for everybody, so that results over seeds share it


def split_samples(samples: int, held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns (indices to train on, indices held out), both ascending; samples keep their indices.

    Raises InvalidInput if nothing would be left to train on.
    """
    if not 0 <= held_out < samples:
        raise InvalidInput(
            "the validation split leaves nothing to train on",
            expected=f"dataset.validation below {samples}",
            found=str(held_out),
        )
    order = permutation(_KEY, samples, view=0, domain=Domain.VALIDATION)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
