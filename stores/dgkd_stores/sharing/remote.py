"""Places that hold objects by name: `Remote` is listed and read, `WritableRemote` creates objects without replacing.

Names are those of files at the place, such as `ta1.zarr/logits/c.0.0.0`. What can fail and be tried again has a class
of its own here; whatever cannot is a DgkdError.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from dgkd_stores.errors import DgkdError

__all__ = ["AccessRefused", "Changed", "Found", "LostConnection", "NoRanges", "Reading", "Remote", "WritableRemote"]

_MD5 = 32


class AccessRefused(DgkdError):
    """An object that the credentials, or the lack of them, do not permit."""


class LostConnection(Exception):
    """A request that failed on its way or in the server, and may succeed when it is sent again."""


class Changed(Exception):
    """The object is no longer the one that was asked for (If-Match failed)."""


class NoRanges(Exception):
    """The place answers a request for a part of an object with the whole of it, or with another part."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object at a place."""

    size: int
    """Its size in bytes."""
    tag: str | None
    """Its strong ETag without quotes; None if the place gives none."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """An object that is being read, from a byte on."""

    found: Found
    pieces: Iterator[memoryview]
    """The bytes in order; raises LostConnection."""


class Remote(ABC):
    """A place that is read; `address` is its text for people, without credentials."""

    address: str

    @abstractmethod
    def names(self, prefix: str) -> Mapping[str, Found] | None:
        """Lists the objects whose names begin with `prefix`, which is a name or ends in a slash.

        Returns None if the place cannot list. Raises LostConnection, DgkdError.
        """

    @abstractmethod
    def read(self, name: str, *, start: int = 0, stop: int | None = None, tag: str | None = None) -> Reading:
        """Begins to read an object from byte `start` on, to its end or to the byte before `stop`.

        With `tag` it is read only if that is its ETag.

        Raises FileNotFoundError, Changed, NoRanges, LostConnection, DgkdError.
        """

    def tops(self) -> frozenset[str] | None:
        """Lists the first parts of all names, such as `ta1.zarr` and `README.md`; else as `names`."""
        listed = self.names("")
        return None if listed is None else frozenset(name.partition("/")[0] for name in listed)

    def has_same(self, name: str, found: Found, data: bytes | memoryview) -> bool:
        """Returns True if the object has this content: by an ETag that is its MD5, else by reading it.

        A multipart ETag, and that of an encrypted object, is not an MD5: it then differs, and the object is read.
        Raises as `read`.
        """
        if found.size != len(data):
            return False
        tag = found.tag or ""
        # The MD5 finds what an earlier push has sent; whether it is right, the seal says to whoever pulls.
        if len(tag) == _MD5 and tag == hashlib.md5(data, usedforsecurity=False).hexdigest():
            return True
        at = 0
        for piece in self.read(name).pieces:
            if data[at : at + len(piece)] != piece:
                return False
            at += len(piece)
        return at == len(data)


class WritableRemote(Remote):
    """A place that lists its objects, and creates each in a request of its own."""

    conditional: bool | None = None
    """False once the place is known to replace an object that a create-only request names; None before that."""

    @abstractmethod
    def names(self, prefix: str) -> Mapping[str, Found]: ...
    @abstractmethod
    def create(self, name: str, data: bytes | memoryview) -> bool:
        """Creates an object in one step; returns False if there is one of that name, which stays as it is.

        Raises LostConnection, after which the object may exist, and DgkdError.
        """

    @abstractmethod
    def replace(self, name: str, data: bytes | memoryview) -> None:
        """Creates an object or replaces it, in one step. Raises as `create`."""

    def publishing(self, name: str) -> AbstractContextManager[None]:
        """Holds what this place needs while the store called `name` is written there."""
        return nullcontext()
