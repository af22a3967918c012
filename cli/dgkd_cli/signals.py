"""Stopping politely: the first SIGINT or SIGTERM asks the work to save and end, the next ends it (if told to)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

__all__ = ["StopOnSignals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnSignals:
    """A flag for the library to poll (call it), and the handlers that set it while the `with` lasts."""

    def __init__(self, *, say: Callable[[str], None], again_is_the_same: bool = False) -> None:
        self._say, self._again_is_the_same = say, again_is_the_same
        self._asked = False
        self._before: dict[int, object] = {}
        self._owner = 0

    def __call__(self) -> bool:
        """Whether to stop."""
        return self._asked

    def __enter__(self) -> Self:
        self._owner = os.getpid()
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if callable(handler) else signal.SIG_DFL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            return  # a forked worker inherits this handler: its parent decides, and ends it
        if self._asked and self._again_is_the_same:
            return
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        more = "" if self._again_is_the_same else "; once more stops at once and loses the last steps"
        self._say(f"stopping as soon as everything is saved{more}")
