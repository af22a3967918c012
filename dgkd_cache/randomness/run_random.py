"""A run's own randomness: sample order, view schedule, dropping and initial weights, each from counters.

The key depends on the seed alone. Counters hold domain, epoch and sample or step, never the model, method or rank. Two
methods with one seed therefore see the same samples in the same views and order, and a resumed run equals an
uninterrupted one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dgkd_cache.randomness.philox import WORDS_PER_BLOCK, Domain, integer_below, permutation, philox_words
from dgkd_stores.arguments import integers, require_integer

__all__ = ["BLOCK", "WINDOW", "RunRandom"]

BLOCK = 1024
"""Samples that are read together in block order: 20 kB of a guide's rows in float16 with 10 classes, 2 MB with 1000."""

WINDOW = 64
"""Blocks whose samples are shuffled together."""

_LAST = 2**63 - 1  # the largest epoch or step
_MOST = 2**40  # samples


@dataclass(frozen=True)
class RunRandom:
    """The random words of a run with `seed`. Raises InvalidInput for anything but a non-negative integer."""

    seed: int
    """The seed of the run."""

    def __post_init__(self) -> None:
        require_integer("RunRandom", "seed", self.seed, low=0)

    @cached_property
    def key16(self) -> bytes:
        """The first 16 bytes of SHA-256("dgkd-run" followed by the seed's decimal digits)."""
        return hashlib.sha256(b"dgkd-run" + str(self.seed).encode()).digest()[:16]

    def words(self, domain: Domain, *, at: int, count: int) -> npt.NDArray[np.uint64]:
        """Returns the first `count` words of `domain` at an epoch or step; a larger count keeps them.

        Raises InvalidInput for a number that is negative or too large.
        """
        require_integer("RunRandom.words", "at", at, low=0, high=_LAST)
        require_integer("RunRandom.words", "count", count, low=0, high=_MOST + 1)
        at, count = int(at), int(count)  # numpy integers overflow in a counter of 256 bits
        blocks = -(-count // WORDS_PER_BLOCK)
        return philox_words(self.key16, view=at, domain=domain, first_block=0, blocks=blocks)[:count]

    def order(self, epoch: int, samples_N: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Returns `samples_N` (int64 ids) in the order of that epoch: the stable argsort of one word per position.

        Raises InvalidInput for an epoch below 0, and for ids that are not one-dimensional integers.
        """
        require_integer("RunRandom.order", "epoch", epoch, low=0, high=_LAST)
        ids_N = integers("RunRandom.order", "samples_N", samples_N, expected="samples' ids, one-dimensional integers")
        return ids_N[permutation(self.key16, len(ids_N), view=int(epoch), domain=Domain.ORDER)]

    def block_order(self, epoch: int, samples_N: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Returns `samples_N` in an order that reads nearby rows of the disk together, for sets larger than memory.

        Blocks of BLOCK consecutive ids come in random order, and samples are shuffled within each WINDOW blocks of them
        by the words of `order`. Up to BLOCK * WINDOW ids the result is that of `order`.

        Raises InvalidInput for an epoch below 0.
        """
        require_integer("RunRandom.block_order", "epoch", epoch, low=0, high=_LAST)
        ids_N = np.asarray(samples_N, dtype=np.int64)
        block_N = ids_N // BLOCK
        blocks = int(block_N.max(initial=0)) + 1
        place_K = np.argsort(permutation(self.key16, blocks, view=int(epoch), domain=Domain.BLOCKS))
        words_N = self.words(Domain.ORDER, at=epoch, count=len(ids_N))
        return np.asarray(ids_N[np.lexsort((words_N, place_K[block_N] // WINDOW))])

    def draw_views(self, epoch: int, samples_total: int, count: int) -> npt.NDArray[np.int64]:
        """Returns int64[N]: a uniform number in [0, count) for each of the samples [0, samples_total).

        Raises InvalidInput for an epoch below 0.
        """
        require_integer("RunRandom.draw_views", "epoch", epoch, low=0, high=_LAST)
        return integer_below(self.words(Domain.SCHEDULE, at=epoch, count=samples_total), count)

    def torch_seed(self) -> int:
        """Returns a seed for torch (initial weights), below 2^63."""
        return int(self.words(Domain.WEIGHTS, at=0, count=1)[0]) >> 1
