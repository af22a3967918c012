"""Leases: while `renewing` runs, the holder of a lock shows other hosts that it is alive.

Each lock that this process holds then has a file `lease` in the holder's own folder, whose number a thread counts up.
Readers compare only its content, so hosts need no common clock (`expiry.py`). Without `renewing` a lock has no lease.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from dgkd_stores.disk.files import read_small, write_durably
from dgkd_stores.errors import UnsafeStore
from dgkd_stores.fork_lock import fork_safe_lock

__all__ = ["RENEWAL", "begin_lease", "drop_lease", "hold_lease", "read_lease", "renewing"]

RENEWAL = 30.0
"""Seconds between two renewals."""

_FILE = "lease"
_LARGEST = 64  # bytes

_held: set[Path] = set()  # the folders of the locks that this process holds
_writing = fork_safe_lock()  # held while a lease is written, so that no lock is removed at that moment
_numbers = itertools.count()
_active: list[threading.Event] = []  # what ends the renewals that run
for _of_this_process in (_held, _active):  # a forked child holds no locks and has no threads
    os.register_at_fork(after_in_child=_of_this_process.clear)


@contextlib.contextmanager
def renewing(every: float = RENEWAL) -> Iterator[None]:
    """Renews the leases of all locks that this process holds or takes within the `with` block.

    A process on another host may take over a lock whose lease is no longer renewed; leases end with the block.
    """
    done = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(done, every), name="leases", daemon=True)
    _active.append(done)
    _renew()
    thread.start()
    try:
        yield
    finally:
        _active.remove(done)
        done.set()
        thread.join()
        if not _active:
            for folder in tuple(_held):
                (folder / _FILE).unlink(missing_ok=True)


def begin_lease(folder: Path) -> None:
    """Writes the first lease into the folder of a lock that is being made, if leases are renewed."""
    if _active:
        _write(folder)


def hold_lease(folder: Path) -> None:
    """Counts the lock with that folder among those whose leases are renewed."""
    _held.add(folder)


def drop_lease(folder: Path) -> None:
    """Renews the lease of that lock no longer; on return none is being written."""
    with _writing:
        _held.discard(folder)


def read_lease(lock: Path) -> tuple[str, bytes] | None:
    """Returns the lease of any lock, as its holder's folder and number; None if it has none or it cannot be read."""
    # The file is read, not only its time: NFS asks its server at each open, but keeps attributes for up to a minute.
    with contextlib.suppress(OSError, UnsafeStore):
        for name in sorted(os.listdir(lock)):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                return name, read_small(lock / name / _FILE, limit=_LARGEST)
    return None


def _renew_until(done: threading.Event, every: float) -> None:
    while not done.wait(every):
        _renew()


def _renew() -> None:
    for folder in tuple(_held):
        # Failures pass: the work itself meets a full disk, and a lock that was taken over has no folder.
        with _writing, contextlib.suppress(OSError, UnsafeStore):
            if folder in _held:
                _write(folder)


def _write(folder: Path) -> None:
    write_durably(folder / _FILE, str(next(_numbers)).encode())
