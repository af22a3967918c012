"""The validation split, fixed by the number of samples and the number held out: the same for every model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import Domain, permutation

if TYPE_CHECKING:
    from dgkd_cache.datasets.images import Images

__all__ = ["split_images", "split_samples"]

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


def split_images(images: Images, held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns `split_samples` of the images, without those samples of a guide that are not here.

    Raises InvalidInput if nothing would be left to train on.
    """
    train_N, held_N = (np.intersect1d(part, images.samples_N) for part in split_samples(len(images), held_out))
    if not len(train_N):
        raise InvalidInput(
            "the validation split leaves nothing to train on",
            expected="a sample that is here and not held out",
            found=f"{len(held_N)} that are held out",
            do="lower dataset.validation",
        )
    return train_N, held_N
