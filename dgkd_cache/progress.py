"""The reports of long work on itself: a protocol, so that what computes never prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Progress", "Silent", "over_bytes"]


class Progress(Protocol):
    """One piece of work at a time: `start`, any number of `advance`, `finish`; `say` and `warn` are lines between."""

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        """Begin `what`, of `total` units, `done` of which were there before (a resumed piece of work).

        `seconds` went by in preparing it: they count for how long it took, and not for its rate.
        """

    def advance(self, n: int, figures: str = "") -> None:
        """`n` more units are done; `figures` is a short text such as the loss."""

    def finish(self) -> None:
        """The piece of work ended."""

    def say(self, line: str) -> None:
        """One line for a person."""

    def warn(self, line: str) -> None:
        """One line about what may make a result other than was meant: shown even to whoever wants no progress."""


class Silent:
    """Reports nothing."""

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        pass

    def advance(self, n: int, figures: str = "") -> None:
        pass

    def finish(self) -> None:
        pass

    def say(self, line: str) -> None:
        pass

    def warn(self, line: str) -> None:
        self.say(line)


def over_bytes(progress: Progress, what: str) -> Callable[[int, int], None]:
    """The callback of a check of a store, bytes done out of how many: begins `what` and advances it."""
    before = 0

    def report(done: int, total: int) -> None:
        nonlocal before
        if not before:
            progress.start(what, total=total, unit="bytes")
        progress.advance(done - before)
        before = done

    return report
