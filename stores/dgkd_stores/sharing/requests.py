"""Sends requests again after a lost connection, and creates objects without ever replacing one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from dgkd_stores.errors import Incomplete
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Changed, Found, LostConnection, NoRanges, WritableRemote

__all__ = ["ATTEMPTS", "attempt", "ensure"]

ATTEMPTS = 6
"""Number of times that a request is sent before its failure ends the work."""

_Answer = TypeVar("_Answer")


def attempt(tally: Tally, request: Callable[[], _Answer], name: str) -> _Answer:
    """Returns what a request about `name` gives; it is sent again after a lost connection.

    Raises Incomplete after `ATTEMPTS` of them.
    """
    lost = Exception()
    for number in range(ATTEMPTS):
        tally.check()
        try:
            return request()
        except (LostConnection, Changed, NoRanges) as error:
            lost = error
            tally.pause(number)
    raise gave_up(name, f"{ATTEMPTS} failures, the last one: {lost}")


def gave_up(name: str, found: str) -> Incomplete:
    """Returns the error of a transfer that stopped at `name`."""
    return Incomplete(
        f"the transfer stopped at {name}",
        expected="a connection that holds",
        found=found,
        do="run the same command again: it goes on from there",
    )


def ensure(
    remote: WritableRemote, name: str, data: bytes | memoryview, tally: Tally, *, there: Found | None = None
) -> bool:
    """Creates an object unless there is one; returns False if that one has other content.

    `there` is the object that is known to be there. A request to create it would send all of its bytes for nothing.
    """
    for number in range(ATTEMPTS):
        if there is None and _create(remote, name, data, tally):
            return True
        if there is None:
            there = attempt(tally, functools.partial(remote.names, name), name).get(name)
        if there is not None:
            return attempt(tally, functools.partial(remote.has_same, name, there, data), name)
        # 409: the request of another writer was on its way at that moment, and has failed since.
        tally.pause(number)
    raise gave_up(name, f"{ATTEMPTS} conflicts with other writers")


def _create(remote: WritableRemote, name: str, data: bytes | memoryview, tally: Tally) -> bool:
    """Creates an object; returns False if there is one.

    The first one is sent a second time, which a place with conditional writes refuses. Where it does not, no harm is
    done: the content is equal.
    """
    created = attempt(tally, lambda: remote.create(name, data), name)
    if created and remote.conditional is None:
        remote.conditional = not attempt(tally, lambda: remote.create(name, data), name)
    return created
