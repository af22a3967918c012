"""The progress reports of long work: a protocol, so that computing code never prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Progress", "Silent", "over_bytes"]


class Progress(Protocol):
    """Reports a task: `start`, any number of `advance`, `finish`; `say` and `warn` add lines.

    A task that starts within another, such as an evaluation within a training, is part of it: the outer one goes on
    after its `finish`.
    """

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        """Begins `what`, of `total` units, `done` of which were there before (resumed work).

        `seconds` of preparation count for its duration, but not for its rate.
        """

    def advance(self, n: int, figures: str = "") -> None:
        """Adds `n` finished units; `figures` is a short text such as the loss."""

    def finish(self, figures: str = "") -> None:
        """Ends the task; `figures` is a short text with its result."""

    def say(self, line: str) -> None:
        """Shows one line to the user."""

    def warn(self, line: str) -> None:
        """Shows one line about a possible mistake, even if progress is turned off."""
        self.say(line)


class Silent(Progress):
    """Reports nothing."""

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        pass

    def advance(self, n: int, figures: str = "") -> None:
        pass

    def finish(self, figures: str = "") -> None:
        pass

    def say(self, line: str) -> None:
        pass


def over_bytes(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Returns a callback (bytes done, bytes in all) for the check of a store, which begins `what` and advances it."""
    before = 0

    def report(done: int, total: int) -> None:
        nonlocal before
        if not before:
            progress.start(what, total=total, unit="bytes")
        progress.advance(done - before)
        before = done

    return report
