"""Graceful stop: the first SIGINT, SIGTERM or SIGHUP asks the work to save and end, the next one ends it (optional).

A terminal that closes sends SIGHUP, often twice: from the system and from the shell. A second SIGHUP has no effect.
Under nohup SIGHUP is ignored.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopOnSignals"]

Handler = Callable[[int, FrameType | None], Any] | int | None

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopOnSignals:
    """A flag that the library polls by calling it, and signal handlers that set it inside the `with` block."""

    def __init__(self, *, say: Callable[[str], None], again_is_the_same: bool = False) -> None:
        self._say, self._again_is_the_same = say, again_is_the_same
        self._asked = False
        self._before: dict[int, Handler] = {}
        self._terminals: list[int] = []
        self._owner = 0
        self._saying: threading.Thread | None = None

    def __call__(self) -> bool:
        """Returns True once a signal has asked to stop."""
        return self._asked

    def __enter__(self) -> Self:
        self._owner = os.getpid()
        self._terminals = [stream for stream in (1, 2) if os.isatty(stream)]
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if self._saying:
            self._saying.join()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            return  # a forked worker inherits this handler, but its parent decides and ends it
        if number == signal.SIGHUP:
            self._leave_lost_terminals()
        if self._asked and (self._again_is_the_same or number == signal.SIGHUP):
            return
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        more = "" if self._again_is_the_same else "; once more stops at once and loses the last steps"
        line = f"stopping as soon as everything is saved{more}"
        # The signal may have interrupted a print, which would show its line a second time if another one ran within it.
        self._saying = threading.Thread(target=self._say, args=(line,))
        self._saying.start()

    def _leave_lost_terminals(self) -> None:
        """Redirects output from a closed terminal, because a failed write must not prevent saving."""
        lost = [stream for stream in self._terminals if not os.isatty(stream)]
        for stream in lost:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
        self._terminals = [stream for stream in self._terminals if stream not in lost]
