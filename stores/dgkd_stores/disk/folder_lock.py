"""Lets one process at a time read and change the locks in a folder, by flock on the folder if available.

Waiting for another process is announced and can be stopped, because it does not block in a system call.
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

__all__ = ["Stop", "folder_lock", "never"]

Stop = Callable[[], bool]
"""Called while waiting; true means to give up."""

ANNOUNCED_AFTER = 1.0
"""Seconds until a wait is announced; reading a lock takes far less."""

_LONGEST_PAUSE = 0.1


def never() -> bool:
    """Never gives up; Ctrl-C still ends a program that does not handle it."""
    return False


@contextlib.contextmanager
def folder_lock(
    folder: Path, *, stop: Stop = never, patience: float | None = None, doing: str = "has locked it"
) -> Iterator[None]:
    """Holds the flock of `folder`; raises Interrupted if `stop` is true while another process has it.

    After `patience` seconds it continues without the flock, as on a file system that has none. `doing` says what that
    process does, where a wait is announced.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _wait(handle, folder, stop, patience, doing)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, folder: Path, stop: Stop, patience: float | None, doing: str) -> None:
    waited, pause, told = 0.0, 0.001, False
    while not _try_flock(handle):
        if stop():
            raise Interrupted(
                f"stopped while waiting for {folder}, which another process has locked",
                do="nothing was begun; end that process (`lslocks` lists it) and run the same command again",
            )
        if patience is not None and waited >= patience:
            return
        if waited >= ANNOUNCED_AFTER and not told:
            told = True
            notice(f"waiting for {folder}: another process {doing} (flock; `lslocks` lists it); Ctrl-C stops")
        time.sleep(pause)
        waited += pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def _try_flock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # No flock here: of two processes that lock at the same time, both step back.
    return True
