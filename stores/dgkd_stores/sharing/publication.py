"""The order of a publication, whatever the place: it makes a store whole or visibly not, at every moment.

The place must have no other guide, and what is there must be of this store. Then files are sent as `Inventory` has
them, and listed again. The root comes last, after one more look for another guide, and with it what lies beside the
store. How a file is sent, the subclasses say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, TypeVar

from dgkd_stores.errors import Incomplete
from dgkd_stores.sharing.inventory import ROOT, Inventory
from dgkd_stores.sharing.one_guide import require_place
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Found, Remote

__all__ = ["Publication"]

RemoteT = TypeVar("RemoteT", bound=Remote)


class Publication(ABC, Generic[RemoteT]):
    """The publication of the files of `inventory` as the store `name` at a place.

    Raises Mismatch if the place belongs to another guide, or if anything lies there that is none of the store's files,
    or that differs from them.
    """

    _lost: ClassVar[tuple[str, str]]
    """The expectation and the advice of the error where a file that was sent is not there."""

    def __init__(self, inventory: Inventory, name: str, remote: RemoteT, tally: Tally) -> None:
        self._inventory, self._name, self._remote, self._tally = inventory, name, remote, tally
        self._address = f"{remote.address}/{name}"
        require_place(remote, name, tally)
        self._there = self._list()
        self.missing = {file: size for file, size in inventory.sizes.items() if file not in self._there}
        """Files that are not there, with their sizes in bytes."""

    def run(self, beside: Mapping[str, bytes], *, jobs: int) -> None:
        """Sends what is missing, `jobs` files at a time where the place permits it, and compares what is there.

        `beside` has the files that are to be sent after the root. What is there is compared even if nothing is missing,
        for it may have been damaged since.
        """
        self._send_files(jobs)
        if self.missing:
            there = self._list()
            if lost := [file for file in self._inventory.sizes if file not in there and file != ROOT]:
                expected, do = self._lost
                raise Incomplete(
                    f"{self._address}/{lost[0]} was sent and is not there",
                    expected=expected,
                    found=f"{len(lost)} missing",
                    do=do,
                )
        require_place(self._remote, self._name, self._tally)
        self._send_root(beside)
        self._tally.advance(self._tally.total - self._tally.done)

    @abstractmethod
    def _list(self) -> Mapping[str, Found]:
        """Returns the files of the store that are there; raises Mismatch for any other."""

    @abstractmethod
    def _send_files(self, jobs: int) -> None:
        """Sends all files but the root; raises Mismatch where one is there with other content."""

    @abstractmethod
    def _send_root(self, beside: Mapping[str, bytes]) -> None:
        """Sends the root, and what lies beside the store."""
