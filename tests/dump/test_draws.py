"""Masks of draws: by the rule of the format, at the rate, independent; a function of the sample, not of its batch."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import stats
from support.philox_by_hand import philox_block

from dgkd_cache.dump.draws import Draw, Place, keep_mask
from dgkd_cache.errors import InvalidInput

KEY = bytes(range(16))


def masks(*, draw: int = 0, view: int | None = 0, samples: range = range(400), decisions: int = 50, rate: float = 0.3):
    return keep_mask(KEY, draw=draw, place=Place(view, np.array(samples)), decisions=decisions, rate=rate)


def by_hand(draw: int, view: int | None, sample: int, decision: int, *, decisions: int, rate: float) -> bool:
    """The rule of stores/FORMAT.md, one decision at a time."""
    key = int.from_bytes(KEY[:8], "little"), int.from_bytes(KEY[8:], "little")
    word = decision // 2
    block = sample * ((decisions + 7) // 8) + word // 4
    counter = (block, 0, draw, 1) if view is None else (block, view, draw, 0)
    half = philox_block(key, counter)[word % 4] >> (32 * (decision % 2)) & 0xFFFFFFFF
    return half >= int(rate * 2**32 + 0.5)


def test_the_philox_of_this_test_gives_a_published_vector() -> None:
    """The line "philox4x64 10" of zeros in tests/kat_vectors of DEShawResearch/random123."""
    expected = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox_block((0, 0), (0, 0, 0, 0)) == expected


@pytest.mark.parametrize("view", [0, 7, None])
@pytest.mark.parametrize("decisions", [1, 7, 8, 9, 33])
def test_masks_follow_the_rule_of_the_format(view: int | None, decisions: int) -> None:
    found = masks(draw=5, view=view, samples=range(90, 96), decisions=decisions, rate=0.4)
    expected = [
        [by_hand(5, view, sample, e, decisions=decisions, rate=0.4) for e in range(decisions)]
        for sample in range(90, 96)
    ]
    assert found.tolist() == expected


def test_a_sample_has_its_mask_whatever_batch_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = masks()
    for batch in (1, 7, 128):
        parts = [masks(samples=range(start, min(start + batch, 400))) for start in range(0, 400, batch)]
        assert np.array_equal(np.concatenate(parts), whole), batch
    backwards = keep_mask(KEY, draw=0, place=Place(0, np.arange(399, -1, -1)), decisions=50, rate=0.3)
    assert np.array_equal(backwards[::-1], whole)
    monkeypatch.setattr("dgkd_cache.dump.draws._SLAB", 120)  # words of two samples at a time
    assert np.array_equal(masks(), whole)


def chance_of(kept: int, total: int, rate: float) -> float:
    """The p-value of a chi-square test of the number that is kept."""
    return float(stats.chisquare([kept, total - kept], [(1 - rate) * total, rate * total]).pvalue)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
def test_rates_and_a_mask_that_is_a_little_off_is_told(rate: float) -> None:
    keep = masks(samples=range(4000), decisions=100, rate=rate)
    assert chance_of(int(keep.sum()), keep.size, rate) > 1e-4
    # Elements and samples have it one by one, too: no place is dropped more often than others.
    for axis in (0, 1):
        counts = keep.sum(axis)
        expected = (1 - rate) * keep.shape[axis]
        spread = float((((counts - expected) ** 2) / (expected * rate)).sum())
        assert 1e-4 < stats.chi2.sf(spread, len(counts)) < 1 - 1e-4, axis
    biased = masks(samples=range(4000), decisions=100, rate=rate + 0.01)
    assert chance_of(int(biased.sum()), biased.size, rate) < 1e-9
    one_place = keep.copy()
    one_place[:, 3] = True
    expected = (1 - rate) * len(keep)
    spread = float((((one_place.sum(0) - expected) ** 2) / (expected * rate)).sum())
    assert stats.chi2.sf(spread, keep.shape[1]) < 1e-9


@pytest.mark.parametrize(
    "other", [{"draw": 1}, {"view": 1}, {"view": None}, {"samples": range(400, 800)}], ids=lambda other: str(other)
)
def test_masks_of_two_draws_views_and_samples_are_independent(other: dict) -> None:
    one, two = masks().ravel(), masks(**other).ravel()
    table = np.array([[np.sum(one & two), np.sum(one & ~two)], [np.sum(~one & two), np.sum(~one & ~two)]])
    assert stats.chi2_contingency(table).pvalue > 1e-4
    assert stats.chi2_contingency([[table[0].sum(), 0], [0, table[1].sum()]]).pvalue < 1e-9, "equal masks are told"


def test_rates_0_and_1() -> None:
    assert masks(rate=0.0).all() and not masks(rate=1.0).any() and masks(rate=1.0).shape == (400, 50)


def test_the_key_of_a_call_is_that_of_the_format() -> None:
    from torch import nn

    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5))
    draw = Draw(model, number=0, weights_digest="ab" * 32, what="it")
    expected = hashlib.sha256(b"dgkd-draw\0" + b"ab" * 32 + b"\x001\x002").digest()[:16]
    assert draw._key(draw.layers[0], 2) == expected


def test_a_model_without_dropout_is_refused() -> None:
    from torch import nn

    with pytest.raises(InvalidInput, match="guide 'a' has no dropout layer.*Dropout.*DropPath.*wrn-16-2-dropout0.3"):
        Draw(nn.Linear(2, 2), number=0, weights_digest="", what="guide 'a'")
