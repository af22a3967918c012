"""The content of an object is compared: by its MD5 where the ETag is one, else by its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from dgkd_stores.sharing.remote import Found, Reading, Remote


class Held(Remote):
    """A place with one object, which counts how often it is read."""

    address = "held"

    def __init__(self, data: bytes) -> None:
        self.data, self.reads = data, 0

    def names(self, prefix: str) -> Mapping[str, Found]:
        return {}

    def read(self, name: str, *, start: int = 0, stop: int | None = None, tag: str | None = None) -> Reading:
        self.reads += 1
        pieces = iter([memoryview(self.data[:2]), memoryview(self.data[2:])])
        return Reading(found=Found(size=len(self.data), tag=None), pieces=pieces)


@pytest.mark.parametrize(
    ("held", "tag", "asked", "same", "reads"),
    [
        (b"abcd", hashlib.md5(b"abcd").hexdigest(), b"abcd", True, 0),
        (b"abcd", None, b"abcd", True, 1),
        (b"abcd", hashlib.md5(b"abcd").hexdigest() + "-2", b"abcd", True, 1),
        (b"abcd", None, b"abce", False, 1),
        (b"abcd", hashlib.md5(b"abcd").hexdigest(), b"abce", False, 1),
        (b"abc", None, b"abcd", False, 0),
        (b"", None, b"", True, 1),
    ],
)
def test_has_same(held: bytes, tag: str | None, asked: bytes, same: bool, reads: int) -> None:
    place = Held(held)
    assert place.has_same("x", Found(size=len(held), tag=tag), memoryview(asked)) is same
    assert place.reads == reads
