"""Errors: one form of message on one line, one exit code each, and what counts as a full disk."""

from __future__ import annotations

import errno
import os

import pytest

from dgkd_stores import errors
from dgkd_stores.errors import DgkdError, InvalidInput, NoPermission, is_no_space, no_space

# The table of exit codes in docs: what scripts around the commands rely on.
CODES = {
    "DgkdError": 1,
    "NoPermission": 1,
    "InvalidInput": 2,
    "Incomplete": 3,
    "StoreNotFound": 10,
    "Locked": 11,
    "Damaged": 12,
    "Mismatch": 13,
    "NoSpace": 14,
    "UnsafeStore": 15,
    "Interrupted": 130,
}


def test_each_error_has_its_exit_code() -> None:
    found = {name: getattr(errors, name) for name in errors.__all__ if name[0].isupper()}
    assert {name: cls.exit_code for name, cls in found.items()} == CODES
    assert all(issubclass(cls, DgkdError) for cls in found.values()) and issubclass(InvalidInput, ValueError)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "a"),
        ({"expected": "b"}, "a: expected b"),
        ({"found": "c"}, "a: found c"),
        ({"expected": "b", "found": "c"}, "a: expected b, found c"),
        ({"do": "d"}, "a; d"),
        ({"expected": "b", "found": "c", "do": "d"}, "a: expected b, found c; d"),
    ],
)
def test_one_form_of_message(words: dict[str, str], message: str) -> None:
    assert str(DgkdError("a", **words)) == str(NoPermission("a", **words)) == message


def test_a_message_is_one_line_that_nothing_acts_on() -> None:
    error = DgkdError("a\nb", expected="\x1b[2J", found="\u202ec", do="d\r\n")
    assert str(error).isprintable() and error.found.isprintable()


def test_a_permission_is_told_in_our_words_whatever_gives_it_a_name() -> None:
    error = NoPermission("a store that may not be read", do="ask its owner")
    error.filename = "/some/where"
    assert (str(error), error.errno) == ("a store that may not be read; ask its owner", errno.EACCES)


@pytest.mark.parametrize(
    ("code", "full"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EIO, False), (errno.EACCES, False)],
)
def test_what_counts_as_a_full_disk(code: int, full: bool) -> None:
    assert is_no_space(OSError(code, os.strerror(code))) is full


@pytest.mark.parametrize(
    ("code", "problem", "do"),
    [(errno.ENOSPC, "no space left", "make room"), (errno.EFBIG, "may not grow", "ulimit -f")],
)
def test_a_full_disk_says_what_to_do_and_what_is_kept(code: int, problem: str, do: str) -> None:
    error = no_space("a/b", OSError(code, os.strerror(code)), left="3 views are kept")
    assert problem in error.problem and "a/b" in error.problem and error.found == os.strerror(code)
    assert do in error.do and error.do.endswith("3 views are kept")
