"""Shows progress on stderr: a bar with rate and time left on a terminal, occasional lines elsewhere.

Implements `dgkd_cache.progress.Progress`. Results are never printed here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TextIO

import rich.progress
from rich.console import Console, RenderableType
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


@dataclass(kw_only=True)
class _Task:
    """A task in lines: its amounts, and times on the clock."""

    what: str
    unit: str
    total: int
    done: int
    done_before: int
    began: float
    started: float

    def counted(self, now: float) -> str:
        """Describes what is done of it, with rate and time left."""
        rate = (self.done - self.done_before) / (now - self.started)
        left = f", {duration_text((self.total - self.done) / rate)} left" if rate else ""
        return f"{self.amount(self.done)}/{amount_text(self.total, self.unit)}, {rate_text(rate, self.unit)}{left}"

    def amount(self, number: int) -> str:
        return size_text(number) if self.unit == "bytes" else str(number)


class LineProgress(Progress):
    """Reports with lines: one at the start, at most one every `LINE_SECONDS`, and one at the end.

    A task within another has lines only while it goes on, if it takes longer than `LINE_SECONDS`.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._tasks: list[_Task] = []
        self._last = 0.0

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        """Reports the task, its amount, and the part that was done before."""
        now = self._clock()
        task = _Task(what=what, unit=unit, total=total, done=done, done_before=done, began=now - seconds, started=now)
        self._tasks.append(task)
        self._last = now
        if len(self._tasks) == 1:
            before = f", {task.amount(done)} of them done before" if done else ""
            self.say(f"{what}: {amount_text(total, unit)}{before}")

    def advance(self, n: int, figures: str = "") -> None:
        """Counts, and reports if the last line is old enough."""
        task, now = self._tasks[-1], self._clock()
        task.done += n
        if now - self._last < LINE_SECONDS or task.done >= task.total:
            return
        self.say(f"{task.what}: {task.counted(now)}{figures and f', {figures}'}")

    def finish(self, figures: str = "") -> None:
        """Reports the duration."""
        if self._tasks:
            task = self._tasks.pop()
            if not self._tasks:
                self.say(_done(task.what, self._clock() - task.began, figures))

    def say(self, line: str) -> None:
        """Shows one line."""
        self._last = self._clock()
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Does nothing: no bar is on the screen."""


@dataclass(frozen=True, kw_only=True)
class _Bar:
    """A bar on the terminal, and when its task began."""

    bar: rich.progress.Progress
    task: rich.progress.TaskID
    what: str
    began: float


class BarProgress(Progress):
    """Shows a bar on a terminal, with rate, time left and the latest figures; that of a task within another alone."""

    def __init__(self, terminal: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._bars: list[_Bar] = []

    def start(self, what: str, *, total: int, unit: str, done: int = 0, seconds: float = 0.0) -> None:
        """Shows the bar."""
        self._hide()
        bar = _WithFigures(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.DownloadColumn() if unit == "bytes" else rich.progress.MofNCompleteColumn(),
            _RateColumn(unit),
            rich.progress.TimeRemainingColumn(),
            console=self._terminal,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        task = bar.add_task(what, total=total, completed=done, figures="")
        self._bars.append(_Bar(bar=bar, task=task, what=what, began=self._clock() - seconds))
        bar.start()

    def advance(self, n: int, figures: str = "") -> None:
        """Moves the bar."""
        assert self._bars, "advance before start"
        bar, task = self._bars[-1].bar, self._bars[-1].task
        if figures:
            bar.update(task, advance=n, figures=figures)
        else:
            bar.update(task, advance=n)

    def finish(self, figures: str = "") -> None:
        """Removes the bar and reports the duration; the bar of the task around it comes back instead."""
        self._hide()
        if not self._bars:
            return
        ended = self._bars.pop()
        if self._bars:
            self._bars[-1].bar.start()
        else:
            self.say(_done(ended.what, self._clock() - ended.began, figures))

    def say(self, line: str) -> None:
        """Shows one line above the bar."""
        self._terminal.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Removes the bar and restores the cursor."""
        self._hide()
        self._bars.clear()

    def _hide(self) -> None:
        if self._bars:
            self._bars[-1].bar.stop()


def _done(what: str, seconds: float, figures: str) -> str:
    return f"{what}: done in {duration_text(seconds)}{figures and f', {figures}'}"


class _WithFigures(rich.progress.Progress):
    """A bar with its figures in a line of their own: beside it they would be cut at 80 columns."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            if task.fields["figures"]:
                yield Text(task.fields["figures"], no_wrap=True, overflow="ellipsis")


class _RateColumn(rich.progress.ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: rich.progress.Task) -> Text:
        return Text(rate_text(task.speed, self._unit) if task.speed else "", style="progress.data.speed")
