"""Reads the metadata of a published HDF5 file by Range, a page at a time, so that it is inspected before its bulk."""

from __future__ import annotations

from pathlib import Path

from dgkd_stores.containers.hdf5_blocks import Blocks
from dgkd_stores.errors import Damaged
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Found, LostConnection, Remote
from dgkd_stores.sharing.requests import ATTEMPTS, gave_up

__all__ = ["RemoteBlocks", "read_part"]

PAGE_BYTES = 64 * 2**10
"""Bytes that are fetched for any read of metadata; a file has its metadata together, apart from its chunks."""


class RemoteBlocks(Blocks):
    """The file `name` at a place, as it was `found` there; raises as `read_part`."""

    def __init__(self, remote: Remote, name: str, found: Found, address: str, tally: Tally) -> None:
        self._remote, self._name, self._found, self._tally = remote, name, found, tally
        self._pages = dict[int, bytes]()
        super().__init__(Path(address), -1, found.size)

    def read(self, at: int, count: int) -> bytes:
        self._check_within(at, count)
        first, last = at // PAGE_BYTES, -(-(at + count) // PAGE_BYTES)
        data = b"".join(map(self._page, range(first, last)))
        return data[at - first * PAGE_BYTES :][:count]

    def _page(self, number: int) -> bytes:
        if number not in self._pages:
            start = number * PAGE_BYTES
            stop = min(start + PAGE_BYTES, self.size)
            self._pages[number] = read_part(self._remote, self._name, self._found, start, stop, self._tally)
        return self._pages[number]


def read_part(remote: Remote, name: str, found: Found, start: int, stop: int, tally: Tally) -> bytes:
    """Returns the bytes of an object from `start` to `stop` - 1, as long as it is the one that was `found`.

    Raises Changed if it is another one, NoRanges, Incomplete, Damaged if it is gone.
    """
    lost = ""
    for number in range(ATTEMPTS):
        tally.check()
        try:
            data = b"".join(remote.read(name, start=start, stop=stop, tag=found.tag).pieces)
            if len(data) == stop - start:
                return data
            lost = f"{len(data)} of {stop - start} bytes"
        except FileNotFoundError as error:
            raise Damaged(f"{remote.address}/{name} is gone", expected="the file", found="no such object") from error
        except LostConnection as error:
            lost = str(error)
        tally.pause(number)
    raise gave_up(name, f"{ATTEMPTS} failures, the last one: {lost}")
