"""Explains what the system refuses: files that this user may not read or write, and disks without room.

Its errors become NoPermission and NoSpace, which name the file or the folder that is in the way, and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from dgkd_stores.errors import NoPermission, is_no_space, no_space

__all__ = ["explain_permission_errors", "full_disk", "no_permission"]


@contextlib.contextmanager
def full_disk(path: Path, *, left: str = "what was finished is kept") -> Iterator[None]:
    """Converts errors of a full disk, quota or file to NoSpace, which names the file and what is `left`.

    Those of a folder that this user may not write in are converted to NoPermission.
    """
    try:
        yield
    except NoPermission:
        raise
    except OSError as error:
        if is_no_space(error):
            raise no_space(path, error, left=left) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            _refuse_writing(path, error)
        raise


@contextlib.contextmanager
def explain_permission_errors(path: Path) -> Iterator[None]:
    """Converts permission errors of anything at or under `path` to NoPermission."""
    try:
        yield
    except NoPermission:
        raise
    except PermissionError as error:
        raise no_permission(Path(os.fsdecode(error.filename or path))) from error


def no_permission(path: Path) -> NoPermission:
    """Returns the error for a file or folder that this user may not read, with the command that changes that."""
    # A parent folder that may not be entered hides the file's own permissions.
    above = [folder for folder in reversed(path.absolute().parents) if not os.access(folder, os.X_OK)]
    barred = above[0] if above else path
    try:
        own = os.stat(barred).st_uid == os.geteuid()
    except OSError:
        own = False
    change = f"`chmod {'u' if own else 'a'}+rX {shlex.quote(str(barred))}`"
    return NoPermission(
        f"{path} may not be read",
        expected="permission to read it",
        found=f"Permission denied to user {os.geteuid()}" + (f" in {barred}" if above else ""),
        do=f"{change} permits it" if own else f"its owner permits it with {change}",
    )


def _refuse_writing(path: Path, error: OSError) -> None:
    """Raises NoPermission if `error` is from a folder that this user may not write in."""
    failed = Path(os.fsdecode(error.filename or path)).absolute()
    barred = next(each for each in (failed, *failed.parents) if os.path.exists(each))
    if os.access(barred, os.W_OK | os.X_OK if barred.is_dir() else os.W_OK):
        return
    read_only = error.errno == errno.EROFS
    own = not read_only and os.stat(barred).st_uid == os.geteuid()
    who = "" if read_only else f" to user {os.geteuid()}"
    raise NoPermission(
        f"{path} may not be written",
        expected="a file system that can be written" if read_only else "permission to write it",
        found=f"{error.strerror}{who} in {barred}",
        do="give another path" + (f", or permit it with `chmod u+w {shlex.quote(str(barred))}`" if own else ""),
    ) from error
