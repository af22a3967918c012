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
from rich.constrain import Constrain
from rich.table import Column
from rich.text import Text
from rich.theme import Theme

from dgkd_cache.progress import Progress, Silent
from dgkd_cli.humanize import amount_text, count_text, duration_text, rate_text, size_text
from dgkd_cli.lines import WARNING, fitted, paragraph

__all__ = ["BarProgress", "LineProgress", "OnlyWarnings", "open_progress"]

LINE_SECONDS = 10.0

COLOURS = Theme({"bar.back": "grey50", "bar.complete": "magenta", "bar.finished": "magenta"})
"""The colours of the bar. White and black backgrounds both show them; rich's own grey is as dark as text on white."""


@contextmanager
def open_progress(*, quiet: bool, stream: TextIO | None = None) -> Iterator[Progress]:
    """Opens progress for `stream` (stderr); removes the bar after an error."""
    stream = stream or sys.stderr
    if quiet:
        yield OnlyWarnings(stream)
        return
    terminal = Console(file=stream, theme=COLOURS)
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
        print(fitted(f"{WARNING}{line}", self._stream), file=self._stream, flush=True)


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
        return size_text(number) if self.unit == "bytes" else count_text(number)


class LineProgress(Progress):
    """Reports with lines: one at the start, at most one every `LINE_SECONDS`, and one at the end.

    A task within another has lines only while it goes on, if it takes longer than `LINE_SECONDS`.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._tasks: list[_Task] = []
        self._last = 0.0

    def start(self, what: str, *, total: int, unit: str, amount: str = "", done: int = 0, seconds: float = 0.0) -> None:
        """Reports the task, its amount, and the part that was done before."""
        now = self._clock()
        task = _Task(what=what, unit=unit, total=total, done=done, done_before=done, began=now - seconds, started=now)
        self._tasks.append(task)
        self._last = now
        if len(self._tasks) == 1:
            before = f", {amount_text(done, unit)} done before" if done else ""
            self.say(f"{what}: {amount or amount_text(total, unit)}{before}")

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

    def warn(self, line: str) -> None:
        """Shows one line as a warning."""
        self.say(f"{WARNING}{line}")

    def say(self, line: str) -> None:
        """Shows one line."""
        self._last = self._clock()
        print(fitted(line, self._stream), file=self._stream, flush=True)


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A task of the bar, and when it began."""

    task: rich.progress.TaskID
    what: str
    began: float


class BarProgress(Progress):
    """Shows a bar on a terminal, with rate, time left and the latest figures; that of a task within another alone.

    One bar is shown from the start of a task to its end, whatever runs within it: rich erases a line of the screen
    when it shows a stopped bar once more.
    """

    def __init__(self, terminal: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._bar = _Bar(terminal)
        self._tasks: list[_Shown] = []

    def start(self, what: str, *, total: int, unit: str, amount: str = "", done: int = 0, seconds: float = 0.0) -> None:
        """Shows the bar."""
        if self._tasks:
            self._bar.update(self._tasks[-1].task, visible=False)
        else:
            self._bar = _Bar(self._terminal)
            self._bar.start()
        task = self._bar.add_task(what, total=total, completed=done, unit=unit, figures="")
        self._tasks.append(_Shown(task=task, what=what, began=self._clock() - seconds))

    def advance(self, n: int, figures: str = "") -> None:
        """Moves the bar."""
        assert self._tasks, "advance before start"
        task = self._tasks[-1].task
        if figures:
            self._bar.update(task, advance=n, figures=figures)
        else:
            self._bar.update(task, advance=n)

    def finish(self, figures: str = "") -> None:
        """Removes the bar and reports the duration; the bar of the task around it comes back instead."""
        if not self._tasks:
            return
        ended = self._tasks.pop()
        if self._tasks:
            self._bar.remove_task(ended.task)
            self._bar.update(self._tasks[-1].task, visible=True)
        else:
            self._bar.stop()
            self.say(_done(ended.what, self._clock() - ended.began, figures))

    def warn(self, line: str) -> None:
        """Shows one line above the bar as a warning."""
        self.say(f"{WARNING}{line}")

    def say(self, line: str) -> None:
        """Shows one line above the bar."""
        self._terminal.print(paragraph(line, self._terminal.width), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Removes the bar and restores the cursor."""
        self._bar.stop()
        self._tasks.clear()


def _done(what: str, seconds: float, figures: str) -> str:
    return f"{what}: done in {duration_text(seconds)}{figures and f', {figures}'}"


class _Bar(rich.progress.Progress):
    """A bar with amount, rate and time left under a line with its name and figures: one line has no room for all."""

    def __init__(self, terminal: Console) -> None:
        self._terminal = terminal
        super().__init__(
            rich.progress.BarColumn(),
            _AmountColumn(),
            console=terminal,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def get_renderables(self) -> Iterator[RenderableType]:
        for task in self.tasks:
            if task.visible:
                yield Text(f"{task.description}: {task.fields['figures']}".removesuffix(": "))
        # Ctrl-C shows ^C behind the bar: in the last columns it would begin a line, which is then not erased.
        yield Constrain(self.make_tasks_table(self.tasks), self._terminal.width - len("^C "))


class _AmountColumn(rich.progress.ProgressColumn):
    """The amount, the rate and the time left of a task, as a line has them; the bar gives way to them."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: rich.progress.Task) -> Text:
        done, unit, left = int(task.completed), task.fields["unit"], task.time_remaining
        number = size_text(done) if unit == "bytes" else count_text(done)
        parts = [f"{number}/{amount_text(int(task.total or 0), unit)}"]
        if task.speed:
            parts.append(rate_text(task.speed, unit))
        if left:
            parts.append(f"{duration_text(left)} left")
        return Text(", ".join(parts))
