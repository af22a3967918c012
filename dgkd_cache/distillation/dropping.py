"""Stochastic dropping: which guides take part in a mini-batch, drawn BEFORE their rows are read.

`bernoulli` is the paper's (Son et al. 2021, section 3.3; keep probability 0.75 was best). `fixed` is the authors' code:
it removes exactly `drop` terms, chosen uniformly without replacement, which may include the teacher's. Theirs leaves
no term for a model with `drop` guides or fewer; `at_least_one` then leaves one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import unknown_name
from dgkd_cache.randomness.philox import Domain, integer_below, unit_double
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_stores.arguments import refusal, require_integer, require_kind, require_number

__all__ = ["Dropping"]


@dataclass(frozen=True, kw_only=True)
class Dropping:
    """A dropping rule.

    `bernoulli`: each guide is kept with probability `keep`. `fixed`: exactly `drop` guides are dropped (all of them if
    there are fewer). `none`: all are kept. Raises InvalidInput for a number out of range, and
    UnknownName for another kind.
    """

    kind: Literal["bernoulli", "fixed", "none"] = "bernoulli"
    """The name of the rule."""
    keep: float = 0.75
    """The probability, in [0, 1], with which `bernoulli` keeps each guide."""
    drop: int = 1
    """The number of guides that `fixed` drops."""
    always: tuple[str, ...] = ()
    """Names of guides that `bernoulli` keeps in every batch."""
    at_least_one: bool = False
    """True if a batch of which `bernoulli` or `fixed` would keep none keeps one, chosen uniformly."""

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in ("bernoulli", "fixed", "none"):
            raise unknown_name("dropping", self.kind, ("bernoulli", "fixed", "none"))
        require_number("Dropping", "keep", self.keep, low=0, high=1)
        require_integer("Dropping", "drop", self.drop, low=0)
        if not isinstance(self.always, tuple | list) or not all(isinstance(name, str) for name in self.always):
            do = f"write always=({self.always!r},)" if isinstance(self.always, str) else ""
            raise refusal("Dropping", "always", self.always, expected="a tuple of guides' names", do=do)
        require_kind("Dropping", "at_least_one", self.at_least_one, bool, expected="True or False")

    def keep_mask(self, random: RunRandom, step: int, names: Sequence[str]) -> NDArray[np.bool_]:
        """Returns which of the G guides called `names` are kept in a step of the run: bool (G,).

        It depends on the seed of `random` and the step alone: one word for each guide, and one to choose a guide if at
        least one must stay. Raises InvalidInput for arguments of another kind, UnknownName if `always` names no guide.
        """
        require_kind("keep_mask", "random", random, RunRandom, expected="a RunRandom", do="write RunRandom(seed)")
        require_integer("keep_mask", "step", step, low=0, high=2**63 - 1)
        _require_names("keep_mask", names)
        guides = len(names)
        if self.kind == "none" or guides == 0:
            return np.ones(guides, dtype=np.bool_)
        words_G1 = random.words(Domain.DROPPING, at=step, count=guides + 1)
        words_G = words_G1[:guides]
        if self.kind == "fixed":
            keep_G = np.ones(guides, dtype=np.bool_)
            keep_G[np.argsort(words_G, kind="stable")[: self._dropped_of(guides)]] = False
            return keep_G
        keep_G = unit_double(words_G) < self.keep
        for name in self.always:
            if name not in names:
                raise unknown_name("guide to keep always", name, names)
            keep_G[names.index(name)] = True
        if self.at_least_one and not keep_G.any():
            keep_G[int(integer_below(words_G1[guides:], guides)[0])] = True
        return keep_G

    def kept_share(self, names: Sequence[str]) -> tuple[float, ...]:
        """Returns the expected share, in [0, 1], of batches in which each of the guides called `names` is kept.

        Raises InvalidInput if `names` are no texts.
        """
        _require_names("kept_share", names)
        guides = len(names)
        if self.kind == "fixed":
            return tuple((guides - self._dropped_of(guides)) / guides for _ in names)
        if self.kind == "none":
            return tuple(1.0 for _ in names)
        alone = (1 - self.keep) ** guides / guides if self.at_least_one and not self.always and guides else 0.0
        return tuple(1.0 if name in self.always else self.keep + alone for name in names)

    def _dropped_of(self, guides: int) -> int:
        """Returns how many of so many guides `fixed` drops."""
        return min(self.drop, guides - 1 if self.at_least_one else guides)


def _require_names(call: str, names: object) -> None:
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise refusal(call, "names", names, expected="the guides' names", do="write bank.names")
