"""A child process that may not read everything: root may, so permissions say nothing to a test that runs as root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dgkd_stores import NoPermission

__all__ = ["open_folder", "refused_permission", "unprivileged"]

_NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter and write in; pytest's own is its user's alone."""
    folder = Path(tempfile.mkdtemp(prefix="dgkd-"))
    try:
        folder.chmod(0o777)
        yield folder
    finally:
        for path in folder.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder)


def unprivileged(action: Callable[[], str]) -> str:
    """Result of `action` in a forked child, as a user who is not root."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "the child died"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(_NOBODY)
                os.setuid(_NOBODY)
            said = action()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, said.encode()[:60000])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return said


def refused_permission(action: Callable[[], object]) -> str:
    """Exit code and message of the error with which such a child is refused what it may not read."""

    def attempt() -> str:
        try:
            action()
        except NoPermission as error:
            return f"{error.exit_code} {error}"
        return "nothing was refused"

    return unprivileged(attempt)
