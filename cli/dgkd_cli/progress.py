"""Shows progress on stderr: a bar with rate and time left on a terminal, occasional lines elsewhere.

Implements `dgkd_cache.progress.Progress`. Results are never printed here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TextIO

import rich.progress
from rich.console import Console
from rich.text import Text

from dgkd_cache.progress import Progress, Silent
from dgkd_cli.humanize import amount_text, duration_text, rate_text, size_text

__all__ = ["BarProgress", "LineProgress", "OnlyWarnings", "open_progress"]

LINE_SECONDS = 10.0


@contextmanager
def open_progress(*, quiet: bool, stream: TextIO | None = None) -> Iterator[Progress]:
    """Opens progress for `stream` (stderr); removes the bar after an error."""
    stream = stream or sys.stderr
    if quiet:
        yield OnlyWarnings(stream)
        return
    terminal = Console(file=stream)
    if terminal.is_terminal and not terminal.is_dumb_terminal:
        with closing(BarProgress(terminal)) as bar:
            yield bar
    else:
        yield LineProgress(stream)


class OnlyWarnings(Silent):
    """Reports nothing but warnings."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def warn(self, line: str) -> None:
        """Shows one line."""
        print(line, file=self._stream, flush=True)


class LineProgress(Progress):
    """Reports with lines: one at the start, at most one every `LINE_SECONDS`, and one at the end."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._what = ""

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        """Reports the task, its amount, and the part that was done before."""
        self._what, self._unit, self._total = what, unit, total
        self._done = self._done_before = done
        self._started = self._last = self._clock()
        self._began = self._started - seconds
        before = f", {self._amount(done)} of them done before" if done else ""
        self.say(f"{what}: {amount_text(total, unit)}{before}")

    def advance(self, n: int, figures: str = "") -> None:
        """Counts, and reports if the last line is old enough."""
        self._done += n
        now = self._clock()
        if now - self._last < LINE_SECONDS or self._done >= self._total:
            return
        self._last = now
        rate = (self._done - self._done_before) / (now - self._started)
        left = f", {duration_text((self._total - self._done) / rate)} left" if rate else ""
        figures = f", {figures}" if figures else ""
        counted = f"{self._amount(self._done)}/{amount_text(self._total, self._unit)}, {rate_text(rate, self._unit)}"
        self.say(f"{self._what}: {counted}{left}{figures}")

    def finish(self) -> None:
        """Reports the duration."""
        if self._what:
            self.say(f"{self._what}: done in {duration_text(self._clock() - self._began)}")
        self._what = ""

    def say(self, line: str) -> None:
        """Shows one line."""
        print(line, file=self._stream, flush=True)

    def _amount(self, number: int) -> str:
        return size_text(number) if self._unit == "bytes" else str(number)


class BarProgress(Progress):
    """Shows a bar on a terminal, with rate, time left and the latest figures."""

    def __init__(self, terminal: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._bar: rich.progress.Progress | None = None

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        """Shows the bar."""
        self.close()
        self._what, self._began = what, self._clock() - seconds
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.DownloadColumn() if unit == "bytes" else rich.progress.MofNCompleteColumn(),
            _RateColumn(unit),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[figures]}", markup=False),
            console=self._terminal,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(what, total=total, completed=done, figures="")
        self._bar.start()

    def advance(self, n: int, figures: str = "") -> None:
        """Moves the bar."""
        assert self._bar is not None, "advance before start"
        if figures:
            self._bar.update(self._task, advance=n, figures=figures)
        else:
            self._bar.update(self._task, advance=n)

    def finish(self) -> None:
        """Removes the bar and reports the duration."""
        if self._bar is not None:
            self.close()
            self.say(f"{self._what}: done in {duration_text(self._clock() - self._began)}")

    def say(self, line: str) -> None:
        """Shows one line above the bar."""
        self._terminal.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Removes the bar and restores the cursor."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = None


class _RateColumn(rich.progress.ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: rich.progress.Task) -> Text:
        return Text(rate_text(task.speed, self._unit) if task.speed else "", style="progress.data.speed")
