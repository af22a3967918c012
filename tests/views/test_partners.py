"""Partners: another sample of the same part, each as probable as any other, by the page's arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dgkd_cache.datasets.split import split_samples
from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.philox import philox_words
from dgkd_cache.views.partners import Partners

DRAWN = (philox_words(bytes(16), view=3, domain=0, first_block=0, blocks=10_000) >> np.uint64(32)).astype(np.int64)


@pytest.mark.parametrize(("samples", "held_out"), [(2, 0), (4, 2), (23, 0), (23, 9), (1000, 200)])
def test_a_partner_is_the_drawn_one_of_the_others_of_the_part(samples: int, held_out: int) -> None:
    partners = Partners(samples, held_out)
    parts = [part.tolist() for part in split_samples(samples, held_out)]
    samples_B = np.arange(3000) % samples
    for sample, drawn, partner in zip(samples_B, DRAWN, partners.of(samples_B, DRAWN[:3000]).tolist(), strict=False):
        (part,) = [part for part in parts if sample in part]
        others = [other for other in part if other != sample]
        assert partner == others[int(drawn) * len(others) >> 32]


def test_the_ends_of_the_range_are_the_first_and_the_last_of_the_others() -> None:
    samples_B = np.array([0, 0, 4, 4, 9, 9])
    drawn_B = np.array([0, 2**32 - 1] * 3)
    assert Partners(10, 0).of(samples_B, drawn_B).tolist() == [1, 9, 0, 9, 0, 8]


def test_every_other_sample_is_as_probable_as_any() -> None:
    partners = Partners(30, 12)
    for part in partners.parts:
        own = np.full(len(DRAWN), part[5])
        for drawn, even in ((DRAWN, True), (((DRAWN / 2**32) ** 1.05 * 2**32).astype(np.int64), False)):
            counts = np.bincount(partners.of(own, drawn), minlength=30)
            assert counts[part[5]] == 0 and counts.sum() == counts[part].sum()
            pvalue = stats.chisquare(counts[part[part != part[5]]]).pvalue
            assert pvalue > 1e-3 if even else pvalue < 1e-6


def test_training_samples_and_held_out_samples_are_never_mixed_with_each_other() -> None:
    train_N, held_N = split_samples(60, 20)
    partners = Partners(60, 20)
    for part in (train_N, held_N):
        found = {other for drawn in DRAWN[:400] for other in partners.of(part, np.full(len(part), drawn)).tolist()}
        assert found == set(part.tolist())


@pytest.mark.parametrize(
    ("samples", "held_out", "words"),
    [
        (1, 0, "a single training sample cannot be mixed with another: expected at least two training samples"),
        (20, 19, "a single training sample"),
        (20, 1, "a single held-out sample cannot be mixed with another: .*found 1 of 20"),
        (20, 20, "leaves nothing to train on"),
    ],
)
def test_a_part_of_one_sample_is_refused(samples: int, held_out: int, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        Partners(samples, held_out)
    assert caught.value.exit_code == 2


def test_samples_to_train_on_are_whole_parts() -> None:
    partners, (train_N, held_N) = Partners(60, 20), split_samples(60, 20)
    for whole in (train_N, held_N, np.arange(60), train_N[::-1]):
        partners.require_whole(whole)
    for some, found in ((train_N[1:], "all 40 samples .* 20 are held out, found 39"), (np.arange(10), "of them")):
        with pytest.raises(InvalidInput, match=f"are mixed with samples that are left out: expected .*{found}"):
            partners.require_whole(some)
