"""Fetches files from a place to disk: with `.partial`, Range and If-Match, again after each lost connection.

A file has its own name only when it has its whole size and is durable; whether its content is right, the digests of
the store say.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from dgkd_stores.disk.files import write_all
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import Damaged, UnsafeStore
from dgkd_stores.sharing.arrival import Arrival
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Changed, LostConnection, NoRanges, Reading, Remote
from dgkd_stores.sharing.requests import ATTEMPTS, attempt, gave_up

__all__ = ["LEFT", "Fetcher", "partial_of"]

RESTARTS = 12
"""Number of times that a file is begun anew, where a place cannot go on with one, before that ends the work."""

LEFT = "what was fetched is kept"
"""The part of an error that says what a full disk leaves."""


class Fetcher:
    """Fetches objects whose names begin with `prefix`; `tally` counts the bytes that arrive."""

    def __init__(self, remote: Remote, prefix: str, tally: Tally) -> None:
        self._remote, self._prefix, self._tally = remote, prefix, tally
        self._ranges = True

    def small(self, name: str, *, limit: int) -> bytes:
        """Returns the content of an object; raises FileNotFoundError, UnsafeStore for more than `limit` bytes."""

        def read() -> bytes:
            reading = self._remote.read(self._prefix + name)
            if reading.found.size > limit:
                raise UnsafeStore(
                    f"{self._remote.address}/{self._prefix}{name} is too large",
                    expected=f"at most {limit} bytes",
                    found=f"{reading.found.size}",
                    do="tell whoever published it",
                )
            data = b"".join(reading.pieces)
            if len(data) != reading.found.size:
                raise LostConnection(f"{len(data)} of {reading.found.size} bytes")
            return data

        return attempt(self._tally, read, self._prefix + name)

    def file(
        self,
        name: str,
        path: Path,
        *,
        size: int | None,
        fits: Callable[[int], bool],
        expected: str,
        tag: str | None = None,
        arrival: Arrival | None = None,
    ) -> None:
        """Fetches an object to `path`, and goes on with what is in `path`.partial.

        `size` is that of the object, where it is known; with `tag`, only the object with this ETag is fetched.
        `arrival` gets the content: what is in `path`.partial, which is read for it, and what arrives. Raises
        Damaged for an object that is not there, or of a size that does not fit, which `expected` names; Changed for
        another tag; Incomplete after `ATTEMPTS` connections without a byte; NoSpace.
        """
        partial = partial_of(path)
        failures = restarts = 0
        with full_disk(path, left=LEFT), contextlib.closing(_Partial(partial, tag, arrival)) as into:
            self._tally.advance(into.size)
            if size is not None and into.size > size:
                self._begin_anew(into)
            into.pass_on()
            while into.size != size:
                before = into.size
                try:
                    self._go_on(name, into, fits, expected)
                    break
                except FileNotFoundError as error:
                    raise self._lacking(name, expected) from error
                except (Changed, NoRanges) as error:
                    if tag is not None and isinstance(error, Changed):
                        raise
                    # From here on it is another object, or this place has none of its parts.
                    self._ranges &= not isinstance(error, NoRanges)
                    restarts += 1
                    self._begin_anew(into)
                    if restarts > RESTARTS:
                        raise gave_up(self._prefix + name, f"an object that changed {restarts} times") from error
                except LostConnection as error:
                    failures = 0 if into.size > before else failures + 1
                    # The place may refuse to go on from there.
                    if (before and failures == 2) or (not self._ranges and into.size):
                        restarts += 1
                        self._begin_anew(into)
                    if failures >= ATTEMPTS or restarts > RESTARTS:
                        count = max(failures, restarts)
                        raise gave_up(self._prefix + name, f"{count} failures, the last one: {error}") from error
                    self._tally.pause(failures)
            into.sync()
        os.replace(partial, path)

    def discard(self, path: Path) -> None:
        """Removes a file that was fetched, so that it is fetched again; its bytes no longer count."""
        for each in (path, partial_of(path)):
            with contextlib.suppress(FileNotFoundError):
                size = each.lstat().st_size
                each.unlink()
                self._tally.advance(-size)

    def _go_on(self, name: str, into: _Partial, fits: Callable[[int], bool], expected: str) -> None:
        """Reads the object from the end of `into` to its own end."""
        start = into.size
        reading = self._remote.read(self._prefix + name, start=start, tag=into.tag)
        self._check_size(name, reading, fits, expected)
        into.tag = reading.found.tag
        if reading.found.size < start:
            raise Changed(name)
        for piece in reading.pieces:
            into.append(piece)
            self._tally.advance(len(piece))
        if into.size != reading.found.size:
            if into.size > reading.found.size:
                raise Changed(name)
            raise LostConnection(f"{into.size} of {reading.found.size} bytes")

    def _begin_anew(self, into: _Partial) -> None:
        self._tally.advance(-into.size)
        into.clear()

    def _check_size(self, name: str, reading: Reading, fits: Callable[[int], bool], expected: str) -> None:
        if not fits(reading.found.size):
            raise Damaged(
                f"{self._remote.address}/{self._prefix}{name} is not what the store needs",
                expected=expected,
                found=f"{reading.found.size} bytes",
                do="tell whoever published it",
            )

    def _lacking(self, name: str, expected: str) -> Damaged:
        return Damaged(
            f"{self._remote.address}/{self._prefix}{name} is missing",
            expected=expected,
            found="no such object",
            do="tell whoever published it",
        )


def partial_of(path: Path) -> Path:
    """Returns the path of what has arrived of a file that becomes `path`."""
    return path.with_name(f"{path.name}.partial")


class _Partial:
    """The file of what has arrived, of the object with the ETag `tag`, if that is known, for `arrival`."""

    def __init__(self, path: Path, tag: str | None, arrival: Arrival | None) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._handle, self._arrival = os.open(path, flags, 0o666), arrival
        self.size = os.fstat(self._handle).st_size
        self.tag = tag
        """The ETag of the object that it is from; None before this process knows it."""

    def pass_on(self) -> None:
        """Gives `arrival` what an earlier pull has left."""
        if self._arrival is not None:
            self._arrival.read(self._handle, self.size)

    def append(self, data: memoryview) -> None:
        write_all(self._handle, data)
        self.size += len(data)
        if self._arrival is not None:
            self._arrival.take(data)

    def clear(self) -> None:
        os.ftruncate(self._handle, 0)
        self.size, self.tag = 0, None
        if self._arrival is not None:
            self._arrival.begin()

    def sync(self) -> None:
        os.fsync(self._handle)

    def close(self) -> None:
        os.close(self._handle)
