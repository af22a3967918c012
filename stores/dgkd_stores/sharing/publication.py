"""Publishes the files of a Zarr folder in an order that makes a store whole or visibly not."""

from __future__ import annotations

from collections.abc import Mapping

from dgkd_stores.errors import Incomplete, Mismatch
from dgkd_stores.sharing.inventory import ROOT, Inventory, RowFiles
from dgkd_stores.sharing.parallel import Tally, in_parallel
from dgkd_stores.sharing.remote import Found, WritableRemote
from dgkd_stores.sharing.requests import attempt, ensure

__all__ = ["OTHER_PLACE", "Publication"]

OTHER_PLACE = "choose another place, or remove what is there; nothing of it was replaced"


class Publication:
    """The publication of the files of `inventory` as the store `name` at a place.

    Raises Mismatch if anything lies there that is none of its files, or has another size.
    """

    def __init__(self, inventory: Inventory, name: str, remote: WritableRemote, tally: Tally) -> None:
        self._inventory, self._name, self._remote, self._tally = inventory, name, remote, tally
        self._there = self._list()
        self.missing = {file: size for file, size in inventory.sizes.items() if file not in self._there}
        """Files that are not there, with their sizes in bytes."""

    def run(self, jobs: int) -> None:
        """Sends what is missing, `jobs` files at a time, and compares what is there; the root comes last."""
        if not self.missing:
            # A root that is there came last: what it stands for was compared then.
            self._send(ROOT, self._inventory.read(ROOT))
            self._tally.advance(self._inventory.nbytes - self._inventory.sizes[ROOT])
            return
        for file in self._inventory.first():
            self._send(file, self._inventory.read(file))
        in_parallel(self._send_rows, self._inventory.rows(), jobs=jobs, tally=self._tally)
        found = self._list()
        lost = [file for file in self._inventory.sizes if file not in found and file != ROOT]
        if lost:
            raise Incomplete(
                f"{self._remote.address}/{self._name}/{lost[0]} was sent and is not there",
                expected="every file of the store in the place's list",
                found=f"{len(lost)} missing",
                do="run the same command again: it sends what is missing",
            )
        self._send(ROOT, self._inventory.read(ROOT))

    def _list(self) -> Mapping[str, Found]:
        """Returns the files of the store that are there; raises Mismatch for any other."""
        listed = attempt(self._tally, lambda: self._remote.names(f"{self._name}/"), self._name)
        found = {name.removeprefix(f"{self._name}/"): one for name, one in listed.items()}
        for file, one in found.items():
            size = self._inventory.sizes.get(file)
            if size != one.size:
                raise Mismatch(
                    f"{self._remote.address}/{self._name}/{file} is there already and is not of this store",
                    expected="no file of that name" if size is None else f"{size} bytes",
                    found=f"{one.size} bytes",
                    do=OTHER_PLACE,
                )
        return found

    def _send_rows(self, files: RowFiles) -> None:
        for file, data in self._inventory.read_rows(files).items():
            self._send(file, data)

    def _send(self, file: str, data: memoryview) -> None:
        name = f"{self._name}/{file}"
        if not ensure(self._remote, name, data, self._tally, there=self._there.get(file)):
            raise Mismatch(
                f"another store lies, or is being published, at {self._remote.address}/{self._name}",
                expected=f"{file} of the store with the seal {self._inventory.seal}",
                found="other content",
                do=OTHER_PLACE,
            )
        self._tally.advance(len(data))
