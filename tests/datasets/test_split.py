"""The validation split: held to numpy's own Philox, and the same whatever else a run chooses."""

from __future__ import annotations

import numpy as np
import pytest

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.split import split_images, split_samples
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


class Some(TensorImages):
    """Images of which every third is not here."""

    @property
    def samples_N(self) -> np.ndarray:
        return np.flatnonzero(np.arange(len(self)) % 3)


def test_samples_that_are_not_here_keep_their_part(monkeypatch: pytest.MonkeyPatch) -> None:
    images = Some(np.zeros((96, 1, 2, 2), np.uint8), [0] * 96, classes=["a"], name="x", split="train")
    whole, some = split_samples(96, 16), split_images(images, 16)
    assert [part.tolist() for part in some] == [[sample for sample in part if sample % 3] for part in whole]
    monkeypatch.setattr(Some, "samples_N", property(lambda self: whole[1]))
    with pytest.raises(InvalidInput, match="a sample that is here and not held out, found 16"):
        split_images(images, 16)
