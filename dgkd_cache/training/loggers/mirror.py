"""Mirrors the lines of metrics.jsonl to loggers. The file stays the truth: a logger that fails is left out.

A logger gets the lines of a resumed run again when it begins, so it can write what it lacks and nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from dgkd_cache.errors import UnsafeStore
from dgkd_stores import one_line

__all__ = ["Line", "LoggedRun", "Logger", "Mirror", "own_folder", "scalars"]

Line = Mapping[str, Any]
"""A line of metrics.jsonl: numbers by name, with `epoch` from 0, `step` and `seconds`."""


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """A run as a logger sees it."""

    name: str
    """The name of the run."""
    folder: Path
    """The folder of the run, in which each logger has a folder of its own."""
    settings: Mapping[str, object]
    """The settings and files that the run depends on: its record of inputs, by dotted key."""


class Logger(Protocol):
    """Writes lines elsewhere. Whatever it raises leaves it out of the rest of the run."""

    def begin(self, lines: Sequence[Line]) -> None:
        """Begins with the lines that metrics.jsonl already has."""

    def add(self, line: Line) -> None:
        """Adds a new line."""

    def close(self, *, failed: bool) -> None:
        """Ends; `failed` if the training did not reach its end in this process."""


class Mirror:
    """Passes lines on to `loggers`, as a context manager that closes them; `warn` gets one line for each that fails."""

    def __init__(
        self, loggers: Mapping[str, Logger] | None = None, *, warn: Callable[[str], None] = lambda line: None
    ) -> None:
        self._loggers, self._warn, self._begun = dict(loggers or {}), warn, False

    def begin(self, lines: Sequence[Line]) -> None:
        """Begins all loggers with the lines so far."""
        self._begun = True
        self._each(lambda logger: logger.begin(lines))

    def add(self, line: Line) -> None:
        """Passes on a line that metrics.jsonl has by now."""
        self._each(lambda logger: logger.add(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._begun:
            self._each(lambda logger: logger.close(failed=kind is not None))

    def _each(self, call: Callable[[Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                call(logger)
            # Of any class: what a logger's library raises must not end a training, which has its metrics anyway.
            except Exception as error:
                del self._loggers[name]
                with suppress(Exception):  # the second of one cause
                    logger.close(failed=True)
                why = f"{type(error).__name__}: {error}"
                self._warn(one_line(f"the logger {name} failed and is left out; metrics.jsonl has every line ({why})"))


def own_folder(run: LoggedRun, name: str) -> Path:
    """Returns the folder of a logger in a run's folder, and makes it. Raises UnsafeStore for a link."""
    folder = run.folder / name
    if folder.is_symlink():
        raise UnsafeStore(f"{folder} is in the way of a logger", expected="a folder, or nothing", found="a link")
    folder.mkdir(exist_ok=True)
    return folder


def scalars(line: Line) -> dict[str, float]:
    """Returns what a line says of its step."""
    return {name: float(value) for name, value in line.items() if name != "step"}
