"""Every error a user can meet, each with its exit code and one form of message.

A message says what was expected, what was found and what to do next; the command line prints it as it is.
"""

from __future__ import annotations

import errno

from dgkd_stores.sanitize import one_line

__all__ = [
    "Damaged",
    "DgkdError",
    "Incomplete",
    "Interrupted",
    "InvalidInput",
    "Mismatch",
    "NoPermission",
    "NoSpace",
    "Locked",
    "StoreNotFound",
    "UnsafeStore",
    "is_no_space",
    "no_space",
]


class DgkdError(Exception):
    """The base of all errors of this project.

    `problem` is one clause; `expected` and `found` are noun phrases; `do` is one sentence, with a command
    that works where there is one. Any but the first may be left out. Whatever they hold, the message is one line
    that nothing acts on.
    """

    exit_code = 1

    def __init__(self, problem: str, *, expected: str = "", found: str = "", do: str = "") -> None:
        self.problem, self.expected, self.found, self.do = map(one_line, (problem, expected, found, do))
        facts = [f"expected {self.expected}"] if expected else []
        facts += [f"found {self.found}"] if found else []
        message = self.problem + (": " + ", ".join(facts) if facts else "")
        super().__init__(f"{message}; {self.do}" if do else message)


class InvalidInput(DgkdError, ValueError):
    """A setting, a name or an argument that means nothing here."""

    exit_code = 2


class Incomplete(DgkdError):
    """A store or a run that was started and not finished."""

    exit_code = 3


class StoreNotFound(DgkdError):
    """No guide store lies at that place."""

    exit_code = 10


class Locked(DgkdError):
    """Another process writes the same views."""

    exit_code = 11


class Damaged(DgkdError):
    """Content that does not fit its digest."""

    exit_code = 12


class Mismatch(DgkdError):
    """Two things that must agree do not: data set, views, classes, version, weights, environment."""

    exit_code = 13


class NoPermission(DgkdError, PermissionError):
    """A file that this user may not read: nothing is known of its content, so it is not damaged."""

    def __init__(self, problem: str, *, expected: str = "", found: str = "", do: str = "") -> None:
        super().__init__(problem, expected=expected, found=found, do=do)
        self.errno = errno.EACCES

    def __str__(self) -> str:
        # That of an OSError leaves the message out where something has given it a file's name.
        return str(self.args[0])


class NoSpace(DgkdError):
    """The disk is full, or a file may not grow any further; what was finished before is kept."""

    exit_code = 14


class UnsafeStore(DgkdError):
    """A store that no writer of ours makes: refused before any of it is decoded."""

    exit_code = 15


class Interrupted(DgkdError):
    """Stopped on request, with everything saved."""

    exit_code = 130


def is_no_space(error: OSError) -> bool:
    """True where the disk or the quota is full, or a file has reached the limit on its size."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def no_space(path: object, error: OSError, *, left: str) -> NoSpace:
    """The error for a write to `path` that failed in one of these ways; `left` says what is kept."""
    if error.errno == errno.EFBIG:
        return NoSpace(
            f"{path} may not grow any further",
            expected="no limit on the size of files, or a higher one",
            found=str(error.strerror),
            do="raise the limit (`ulimit -f unlimited`; some file systems have one of their own) and run the same "
            f"command again: {left}",
        )
    return NoSpace(
        f"no space left while writing {path}",
        expected="room for it",
        found=str(error.strerror),
        do=f"make room and run the same command again: {left}",
    )
