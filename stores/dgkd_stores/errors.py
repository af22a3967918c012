"""The errors of this project, each with an exit code and the same form of message.

A message states what was expected, what was found and what to do; the command line prints it unchanged.
"""

from __future__ import annotations

import errno
from typing import Self

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

    All arguments but the first are optional. The message is always one sanitised line. It leaves out a `found` that is
    a quoted text of `problem`, as the name in "unknown model 'x'": the user has typed it and reads it there.
    """

    exit_code = 1
    """The exit code of the command line."""
    problem: str
    """The problem: one clause."""
    expected: str
    """The expectation: a noun phrase, or empty."""
    found: str
    """The finding: a noun phrase, or empty."""
    do: str
    """The advice: one sentence, with a working command if there is one, or empty."""

    def __init__(self, problem: str, *, expected: str = "", found: str = "", do: str = "") -> None:
        self.problem, self.expected, self.found, self.do = map(one_line, (problem, expected, found, do))
        facts = [f"expected {self.expected}"] if expected else []
        facts += [f"found {self.found}"] if found and not _is_repeated(self.found, self.problem) else []
        message = self.problem + (": " + ", ".join(facts) if facts else "")
        super().__init__(f"{message}; {self.do}" if do else message)

    def with_hint(self, *, do: str) -> Self:
        """Returns the same error with another hint."""
        return type(self)(self.problem, expected=self.expected, found=self.found, do=do)


def _is_repeated(found: str, problem: str) -> bool:
    return len(found) > 2 and found[0] == found[-1] and found[0] in "'\"" and found in problem


class InvalidInput(DgkdError, ValueError):
    """A setting, a name or an argument that is invalid here."""

    exit_code = 2


class Incomplete(DgkdError):
    """A store or a run that was begun but not finished."""

    exit_code = 3


class StoreNotFound(DgkdError):
    """There is no guide store at that path."""

    exit_code = 10


class Locked(DgkdError):
    """Another process writes the same views."""

    exit_code = 11


class Damaged(DgkdError):
    """Content that does not match its digest."""

    exit_code = 12


class Mismatch(DgkdError):
    """Two things that must agree do not: data set, views, classes, version, weights, environment."""

    exit_code = 13


class NoPermission(DgkdError, PermissionError):
    """A file that this user may not read, whose content is unknown, so that it is not damaged; or may not write."""

    errno = errno.EACCES
    """The number of the error in the operating system."""

    def __str__(self) -> str:
        # OSError's own text omits the message once an error has a file name.
        return str(self.args[0])


class NoSpace(DgkdError):
    """The disk is full, or a file may not grow further; finished parts are kept."""

    exit_code = 14


class UnsafeStore(DgkdError):
    """A store that this project's writer cannot have made; it is refused before anything is decoded."""

    exit_code = 15


class Interrupted(DgkdError):
    """Stopped on request, with everything saved."""

    exit_code = 130


def is_no_space(error: OSError) -> bool:
    """Returns True if the disk or the quota is full, or a file has reached its size limit."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def no_space(path: object, error: OSError, *, left: str) -> NoSpace:
    """Returns the error for a write to `path` that failed in this way; `left` says what is kept."""
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
