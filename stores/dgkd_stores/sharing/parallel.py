"""Runs transfers on several threads, with one count of bytes, and stops them all at the first error."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Literal, TypeVar

from dgkd_stores.errors import Interrupted

__all__ = ["Tally", "in_parallel"]

_POLL = 0.2
_Item = TypeVar("_Item")


class Tally:
    """The bytes done of a total, from any thread; `advance` and `pause` raise Interrupted once the work is stopped."""

    def __init__(self, total: int, report: Callable[[int, int], None], stop: Callable[[], bool]) -> None:
        self.total, self.done = total, 0
        self.halted = threading.Event()
        self._report, self._stop, self._lock = report, stop, threading.Lock()

    def advance(self, nbytes: int) -> None:
        """Counts bytes, which are negative for what has to be sent again, and reports them."""
        with self._lock:
            self.check()
            self.done += nbytes
            self.total = max(self.total, self.done)
            self._report(self.done, self.total)

    def counting(self, times: int = 1) -> Callable[[int, int], None]:
        """Returns the `report` of a call that reads a store: its bytes count here, of `times` as many in all."""
        before = 0

        def report(done: int, total: int) -> None:
            nonlocal before
            self.total = times * total
            self.advance(done - before)
            before = done

        return report

    def check(self) -> Literal[False]:
        """Raises Interrupted if the user or the error of another thread has stopped the work; else returns False.

        So it is the `stop` of calls that have one.
        """
        if self.halted.is_set() or self._stop():
            raise Interrupted(
                "the transfer was stopped", do="run the same command again: it goes on, and nothing half-done is used"
            )
        return False

    def pause(self, attempt: int) -> None:
        """Waits before another attempt: 0.1 s at first, up to 5 s, with jitter so that threads do not come at once."""
        end = time.monotonic() + min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.0)
        while (left := end - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _POLL))


def in_parallel(work: Callable[[_Item], None], items: Iterable[_Item], *, jobs: int, tally: Tally) -> None:
    """Calls `work` for each item on up to `jobs` threads; raises the first error, once all threads have ended."""
    pending = set[Future[None]]()
    try:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for item in items:
                    pending.add(pool.submit(work, item))
                    while len(pending) >= 2 * jobs:
                        pending = _next(pending, tally)
                while pending:
                    pending = _next(pending, tally)
            except BaseException:
                tally.halted.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        tally.halted.clear()


def _next(pending: set[Future[None]], tally: Tally) -> set[Future[None]]:
    """Waits a moment for one to end, so that a signal is handled in between; returns those that go on."""
    done, left = wait(pending, timeout=_POLL, return_when=FIRST_COMPLETED)
    for each in done:
        each.result()
    tally.check()
    return left
