"""One process at a time looks at the locks in a folder and changes them: flock on the folder, where there is flock.

Waiting for another process is announced and can be stopped: nobody waits here in a system call.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dgkd_stores.disk.notice import notice
from dgkd_stores.errors import Interrupted

__all__ = ["Stop", "alone", "never"]

Stop = Callable[[], bool]
"""Asked while waiting: whether to give up."""

ANNOUNCED_AFTER = 1.0
"""Seconds: whoever holds the folder for the moment of looking at a lock is gone long before."""

_LONGEST_PAUSE = 0.1


def never() -> bool:
    """Goes on waiting; Ctrl-C still ends a program that has not caught it."""
    return False


@contextlib.contextmanager
def alone(folder: Path, *, stop: Stop = never, patience: float | None = None) -> Iterator[None]:
    """Holds the flock of `folder`; `Interrupted` when `stop` says so while another process has it.

    After `patience` seconds it goes on without, as it does on a file system that has no flock.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _wait(handle, folder, stop, patience)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, folder: Path, stop: Stop, patience: float | None) -> None:
    waited, pause, told = 0.0, 0.001, False
    while not _taken(handle):
        if stop():
            raise Interrupted(
                f"stopped while waiting for {folder}, which another process has locked",
                do="nothing was begun; end that process (`lslocks` lists it) and run the same command again",
            )
        if patience is not None and waited >= patience:
            return
        if waited >= ANNOUNCED_AFTER and not told:
            told = True
            notice(f"waiting for {folder}: another process has locked it (flock; `lslocks` lists it); Ctrl-C stops")
        time.sleep(pause)
        waited += pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # No flock here: the locks themselves are made so that two who come at once both step back.
    return True
