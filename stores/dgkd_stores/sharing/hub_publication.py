"""Publishes a store in a repository of the Hub: everything but the root, then root, signature and card in one commit.

The last commit gets the seal as its tag. A `.gitignore` drops files silently, so what is there is listed before the
root is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dgkd_stores.errors import Incomplete, Mismatch
from dgkd_stores.sharing.hub import Hub
from dgkd_stores.sharing.inventory import ROOT, Inventory
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.publication import OTHER_PLACE
from dgkd_stores.sharing.requests import attempt

__all__ = ["HubPublication"]

BATCH_FILES, BATCH_BYTES = 200, 2**29
"""Most files and bytes of one commit."""


class HubPublication:
    """The publication of the files of `inventory` as the store `name`; raises as `Publication`."""

    def __init__(self, inventory: Inventory, name: str, hub: Hub, tally: Tally) -> None:
        self._inventory, self._name, self._hub, self._tally = inventory, name, hub, tally
        there = self._list()
        self.missing = {file: size for file, size in inventory.sizes.items() if file not in there}
        """Files that are not there, with their sizes in bytes."""

    def run(self, beside: Mapping[str, bytes]) -> None:
        """Sends what is missing, compares what is there, and tags the last commit with the seal."""
        self._hub.ensure_repository()
        for batch in self._batches():
            sizes = [self._inventory.sizes[file] for file in batch]
            files = [(f"{self._name}/{file}", str(self._inventory.path / file)) for file in batch]
            self._hub.write(files, f"{self._name}: {len(batch)} files")
            self._tally.advance(sum(sizes))
        there = self._list()
        if lost := [file for file in self._inventory.sizes if file not in there and file != ROOT]:
            raise Incomplete(
                f"{self._hub.address}/{self._name}/{lost[0]} was sent and is not there",
                expected="every file of the store",
                found=f"{len(lost)} missing",
                do="a .gitignore of the repository may drop them: remove it, and run the same command again",
            )
        root = (f"{self._name}/{ROOT}", bytes(self._inventory.read(ROOT)))
        self._hub.write([root, *beside.items()], f"{self._name}, seal {self._inventory.seal}")
        self._hub.tag(self._inventory.seal)
        self._tally.advance(self._tally.total - self._tally.done)

    def _batches(self) -> Iterator[list[str]]:
        """Yields the files that are missing, but the root; rows are proven here."""
        batch, nbytes = list[str](), 0
        for file in self._proven():
            batch.append(file)
            nbytes += self._inventory.sizes[file]
            if len(batch) >= BATCH_FILES or nbytes >= BATCH_BYTES:
                yield batch
                batch, nbytes = [], 0
        if batch:
            yield batch

    def _proven(self) -> Iterator[str]:
        yield from (file for file in self._inventory.first() if file in self.missing)
        for files in self._inventory.rows():
            self._tally.check()
            if any(name in self.missing for name in files.names):
                self._inventory.read_rows(files)
                yield from (name for name in files.names if name in self.missing)

    def _list(self) -> set[str]:
        """Returns the files of the store that are there; raises Mismatch for any other, and for other content."""
        found = attempt(self._tally, lambda: self._hub.names(f"{self._name}/"), self._name)
        there = set[str]()
        for name, one in found.items():
            file = name.removeprefix(f"{self._name}/")
            known = file in self._inventory.sizes
            if not known or not self._hub.has_same(name, one, self._inventory.read(file)):
                raise Mismatch(
                    f"another store lies at {self._hub.address}/{self._name}",
                    expected=f"files of the store with the seal {self._inventory.seal}",
                    found=f"{file} with other content" if known else file,
                    do=OTHER_PLACE,
                )
            there.add(file)
        return there
