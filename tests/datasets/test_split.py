"""The validation split: held to numpy's own Philox, and the same whatever else a run chooses."""

from __future__ import annotations

import numpy as np
import pytest

from dgkd_cache.datasets.split import split_samples
from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import Domain


@pytest.mark.parametrize(("samples", "held_out"), [(1, 0), (5, 2), (96, 16), (1001, 1000)])
def test_the_held_out_samples_have_the_smallest_words_of_philox(samples: int, held_out: int) -> None:
    key = int.from_bytes(b"dgkd-validation!", "little")
    # numpy steps the counter before its first block: begin one block earlier.
    counter = (Domain.VALIDATION << 128) - 1
    words_N = np.random.Philox(key=key, counter=counter).random_raw(samples)
    by_word = sorted(range(samples), key=lambda sample: int(words_N[sample]))
    train_N, held_N = split_samples(samples, held_out)
    assert held_N.tolist() == sorted(by_word[:held_out])
    assert train_N.tolist() == sorted(by_word[held_out:])


@pytest.mark.parametrize("held_out", [-1, 96, 97])
def test_something_has_to_be_left_to_train_on(held_out: int) -> None:
    with pytest.raises(InvalidInput, match=f"expected dataset.validation below 96, found {held_out}"):
        split_samples(96, held_out)
