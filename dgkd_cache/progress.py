"""The progress reports of long work: a protocol, so that computing code never prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dgkd_stores.arguments import refusal

__all__ = ["PrintProgress", "Progress", "Silent", "check_reporting", "counted"]

_REPORTS = ("start", "advance", "finish", "say")


class Progress(Protocol):
    """Reports a task: `start`, any number of `advance`, `finish`; `say` and `warn` add lines.

    `GuideWriter.run`, `evaluate` and `run_chain` take one as `progress`; `PrintProgress` is one.

    A task that starts within another, such as an evaluation within a training, is part of it: the outer one goes on
    after its `finish`.
    """

    def start(self, what: str, *, total: int, unit: str, amount: str = "", done: int = 0, seconds: float = 0.0) -> None:
        """Begins `what`, of `total` units, `done` of which were there before (resumed work).

        `amount` says the total in words, as "6 epochs of 1,437 samples" (default: number and unit).
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

    def start(self, what: str, *, total: int, unit: str, amount: str = "", done: int = 0, seconds: float = 0.0) -> None:
        pass

    def advance(self, n: int, figures: str = "") -> None:
        pass

    def finish(self, figures: str = "") -> None:
        pass

    def say(self, line: str) -> None:
        pass


class PrintProgress(Progress):
    """Prints a line when a task starts, after every tenth of it, and when it ends; of a task within it, nothing."""

    def __init__(self) -> None:
        self._tasks: list[str] = []
        self._total = self._done = 0

    def start(self, what: str, *, total: int, unit: str, amount: str = "", done: int = 0, seconds: float = 0.0) -> None:
        """Prints the task and its amount."""
        self._tasks.append(what)
        if len(self._tasks) == 1:
            self._total, self._done = total, done
            before = f", {done:,} of them done before" if done else ""
            self.say(f"{what}: {amount or f'{total:,} {unit}'}{before}")

    def advance(self, n: int, figures: str = "") -> None:
        """Prints what is done, in per cent, if that is another tenth."""
        if len(self._tasks) == 1:
            before, self._done = self._done, self._done + n
            if 10 * before // self._total < 10 * self._done // self._total < 10:
                self.say(f"{self._tasks[0]}: {100 * self._done // self._total} %{figures and f', {figures}'}")

    def finish(self, figures: str = "") -> None:
        """Prints that the task is done."""
        if self._tasks:
            what = self._tasks.pop()
            if not self._tasks:
                self.say(f"{what}: done{figures and f', {figures}'}")

    def say(self, line: str) -> None:
        """Prints one line."""
        print(line, flush=True)


def check_reporting(call: str, progress: object, stop: object = bool) -> None:
    """Raises InvalidInput unless these arguments of a public call can report, or are None, and can be asked."""
    reports = not isinstance(progress, type) and all(callable(getattr(progress, name, None)) for name in _REPORTS)
    if progress is not None and not reports:
        expected = f"an object with the methods {', '.join(_REPORTS)} (dgkd_cache.Progress), or None"
        raise refusal(call, "progress", progress, expected=expected, do="leave it out to report nothing")
    if not callable(stop):
        expected = "a function without arguments that returns True to stop"
        raise refusal(call, "stop", stop, expected=expected, do="write stop=lambda: False")


def counted(progress: Progress, what: str, *, unit: str = "bytes") -> Callable[[int, int], None]:
    """Returns a callback (done, total) that begins `what` and advances it; `done` falls where work is done again."""
    before: int | None = None

    def report(done: int, total: int) -> None:
        nonlocal before
        if before is None:
            progress.start(what, total=total, unit=unit)
        progress.advance(done - (before or 0))
        before = done

    return report
