"""Philox against its published vectors, and the exact arithmetic on its words."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from dgkd_cache.randomness.philox import Domain, integer_below, permutation, philox_at, philox_words, unit_double

# Counter, key, result: the lines "philox4x64 10" of tests/kat_vectors in DEShawResearch/random123, 9545ff6.
KNOWN_ANSWERS = {
    "zeros": (
        "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
        "0000000000000000 0000000000000000",
        "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b",
    ),
    "ones": (
        "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff",
        "ffffffffffffffff ffffffffffffffff",
        "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
    ),
    "pi": (
        "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89",
        "452821e638d01377 be5466cf34e90c6c",
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
}


def _numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def _key16(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(8, "little") for word in words)


@pytest.mark.parametrize("name", KNOWN_ANSWERS)
def test_known_answers(name: str) -> None:
    counter, key, expected = (_numbers(text) for text in KNOWN_ANSWERS[name])
    number = sum(word << (64 * place) for place, word in enumerate(counter))
    assert philox_at(_key16(key), number, 1).tolist() == expected


def test_words_sit_at_block_view_domain_zero() -> None:
    counter, key, expected = (_numbers(text) for text in KNOWN_ANSWERS["pi"])
    at_zero = philox_words(_key16([0, 0]), view=0, domain=0, first_block=0, blocks=1)
    assert at_zero.tolist() == _numbers(KNOWN_ANSWERS["zeros"][2])
    block, view, domain, _ = counter
    words = philox_words(_key16(key), view=view, domain=domain, first_block=block, blocks=1)
    other_fourth_word = philox_at(_key16(key), block + (view << 64) + (domain << 128), 1)
    assert words.tolist() == other_fourth_word.tolist() != expected


@pytest.mark.parametrize("counter", [0, 5, 2**64 - 2, 2**128 - 2, 2**256 - 2])
def test_blocks_are_consecutive_counters(counter: int) -> None:
    key = bytes(range(16))
    together = philox_at(key, counter, 4)
    apart = [philox_at(key, (counter + block) % 2**256, 1) for block in range(4)]
    assert together.tolist() == np.concatenate(apart).tolist()


def test_views_and_domains_do_not_overlap() -> None:
    key = bytes(16)
    words = [
        philox_words(key, view=view, domain=domain, first_block=0, blocks=50) for view in range(3) for domain in Domain
    ]
    assert len(np.unique(np.concatenate(words))) == len(words) * 200


@pytest.mark.parametrize("count", [0, 1, 4, 103])
def test_a_permutation_sorts_the_first_words(count: int) -> None:
    words = philox_words(bytes(range(16)), view=5, domain=Domain.ORDER, first_block=0, blocks=30).tolist()
    found = permutation(bytes(range(16)), count, view=5, domain=Domain.ORDER)
    assert found.tolist() == sorted(range(count), key=lambda place: (words[place], place))


def test_integers_and_doubles_are_exact() -> None:
    generator = random.Random(1)
    numbers = [0, 2**64 - 1, 2**63, *(generator.getrandbits(64) for _ in range(500))]
    words = np.array(numbers, dtype=np.uint64)
    for n in (1, 2, 9, 162, 1000, 2**31, 2**32):
        assert integer_below(words, n).tolist() == [word // 2**32 * n // 2**32 for word in numbers]
    doubles = unit_double(words)
    assert [Fraction(double) for double in doubles.tolist()] == [Fraction(word // 2**11, 2**53) for word in numbers]
    assert 0 <= doubles.min() and doubles.max() < 1


def test_global_random_state_is_neither_used_nor_touched() -> None:
    before = np.random.get_state()[1].copy()
    first = philox_at(bytes(16), 7, 3)
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(3)
    assert np.array_equal(philox_at(bytes(16), 7, 3), first)
