"""One process at a time in a run: an advisory lock beside its folder, which the kernel drops when its holder dies.

The file `runs/NAME.lock` is removed again on leaving; one that a killed process left behind locks nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dgkd_cache.errors import StoreLocked

__all__ = ["run_lock"]

# A file system without locks (some network mounts) is no reason not to train there.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)


@contextmanager
def run_lock(folder: Path, name: str) -> Iterator[None]:
    """Holds the run called `name`, whose folder (there or not) is `folder`, for as long as the block lasts.

    Raises StoreLocked (exit 11), which names the process, where another one holds it.
    """
    path = folder.with_name(f"{folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _acquire(path, name)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, name: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 256, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise StoreLocked(
                f"another process works on the run {name}",
                expected="one process at a time",
                found=holder or "one that has just begun",
                do="wait until it is done, stop it (it saves a checkpoint), or train under another --name",
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
        if _is_same_file(descriptor, path):
            with suppress(OSError):  # the text is for people; a full disk is met elsewhere
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return descriptor
        os.close(descriptor)  # its last holder removed it between our opening and our locking


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
