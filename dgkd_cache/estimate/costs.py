"""Computes the cost of guides, runs and the whole chain, cached and live, and the break-even run.

Nothing is measured here; rates are inputs, in samples per second on this machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ChainCost", "GuideCost", "RunCost", "first_cheaper_run"]


@dataclass(frozen=True, kw_only=True)
class GuideCost:
    """The cost of one guide: dumped once, or forwarded at every step of the models after it."""

    guide: str
    architecture: str
    forwards: int
    """Number of samples that its dump forwards."""
    samples_per_second: float
    """Samples per second of the dump, rendering included, in its precision and batch size."""
    live_samples_per_second: float
    """Samples per second of the forward pass alone, in the student's batch size."""
    nbytes: int
    """Bytes of the finished store, exact except for a few digits in its header; with a codec, an upper bound."""
    encodings: Mapping[str, int]
    """Bytes of the store in each encoding that is for this guide."""

    @property
    def dump_seconds(self) -> float:
        return self.forwards / self.samples_per_second


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """The cost of training one model, and the extra cost of its guides if they were live."""

    model: str
    architecture: str
    guides: tuple[str, ...]
    samples: int
    """Number of samples over all epochs."""
    samples_per_second: float
    """Samples per second of a training step without guides."""
    live_seconds: float
    """Seconds for the kept guides."""
    live_all_seconds: float
    """Seconds for all guides, kept or not, as in the authors' code."""

    @property
    def train_seconds(self) -> float:
        return self.samples / self.samples_per_second


@dataclass(frozen=True, kw_only=True)
class ChainCost:
    """The cost of a chain; its last model is the student, which is trained again for every seed and ablation."""

    guides: tuple[GuideCost, ...]
    runs: tuple[RunCost, ...]
    encoding: str
    free_bytes: int

    @property
    def forwards(self) -> int:
        return sum(guide.forwards for guide in self.guides)

    @property
    def dump_seconds(self) -> float:
        return sum(guide.dump_seconds for guide in self.guides)

    @property
    def nbytes(self) -> int:
        return sum(guide.nbytes for guide in self.guides)

    @property
    def encodings(self) -> dict[str, int]:
        """Bytes of all stores under each encoding that is for all guides."""
        first = self.guides[0].encodings if self.guides else ()
        names = [name for name in first if all(name in guide.encodings for guide in self.guides)]
        return {name: sum(guide.encodings[name] for guide in self.guides) for name in names}

    @property
    def train_seconds(self) -> float:
        return sum(run.train_seconds for run in self.runs)

    @property
    def fits(self) -> bool:
        return self.nbytes <= self.free_bytes

    @property
    def cheaper_from(self) -> int | None:
        """The first run of the student at which caching has taken less time than live guides with dropping."""
        return self._cheaper_from([run.live_seconds for run in self.runs])

    @property
    def cheaper_from_all_live(self) -> int | None:
        """The break-even against live guides that are all forwarded."""
        return self._cheaper_from([run.live_all_seconds for run in self.runs])

    def _cheaper_from(self, live: Sequence[float]) -> int | None:
        return first_cheaper_run(self.dump_seconds, once=sum(live[:-1]), each=live[-1])


def first_cheaper_run(dump_seconds: float, *, once: float, each: float) -> int | None:
    """Returns the smallest n >= 1 with dump_seconds < once + n * each; None if there is none.

    `once` is the time of live guides for the models before the student, `each` that for a run of the student.
    """
    if dump_seconds < once + each:
        return 1
    if each <= 0:
        return None
    return math.floor((dump_seconds - once) / each) + 1
