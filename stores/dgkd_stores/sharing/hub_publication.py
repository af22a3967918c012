"""Publishes a store in a repository of the Hub: its files in commits, then root, signature and card in one commit.

The last commit gets the seal as its tag. A `.gitignore` drops files silently, so what is there is listed before the
root is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dgkd_stores.errors import Mismatch
from dgkd_stores.sharing.hub import Hub
from dgkd_stores.sharing.inventory import ROOT
from dgkd_stores.sharing.one_guide import OTHER_PLACE
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.publication import Publication
from dgkd_stores.sharing.remote import Found, LostConnection
from dgkd_stores.sharing.requests import attempt, gave_up

__all__ = ["HubPublication", "commit", "tag"]

BATCH_FILES, BATCH_BYTES = 200, 2**29
"""Most files and bytes of one commit."""


class HubPublication(Publication[Hub]):
    """A publication that is compared by the digests in the Hub's list."""

    _lost = (
        "every file of the store",
        "a .gitignore of the repository may drop them: remove it, and run the same command again",
    )

    def _list(self) -> Mapping[str, Found]:
        listed = attempt(self._tally, lambda: self._remote.names(f"{self._name}/"), self._name)
        found = {name.removeprefix(f"{self._name}/"): one for name, one in listed.items()}
        for file, one in found.items():
            known = file in self._inventory.sizes
            if not known or not self._remote.has_same(f"{self._name}/{file}", one, self._inventory.read(file)):
                raise Mismatch(
                    f"another store lies at {self._address}",
                    expected=f"files of the store with the seal {self._inventory.seal}",
                    found=f"{file} with other content" if known else file,
                    do=OTHER_PLACE,
                )
        return found

    def _send_files(self, jobs: int) -> None:
        for batch in self._batches():
            files = [(f"{self._name}/{file}", str(self._inventory.path / file)) for file in batch]
            commit(self._remote, files, f"{self._name}: {len(batch)} files", self._tally)
            self._tally.advance(sum(self._inventory.sizes[file] for file in batch))

    def _send_root(self, beside: Mapping[str, bytes]) -> None:
        root = [(f"{self._name}/{ROOT}", bytes(self._inventory.read(ROOT)))] if ROOT in self.missing else []
        commit(self._remote, [*root, *beside.items()], f"{self._name}, seal {self._inventory.seal}", self._tally)
        tag(self._remote, self._inventory.seal, self._tally)

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


def commit(hub: Hub, files: Sequence[tuple[str, bytes | str]], message: str, tally: Tally) -> None:
    """Commits files, each given as content or as the path of a file, on the known commit; none makes no commit.

    After a lost connection the head is read: the commit may be there. Raises Incomplete once the connection stays lost,
    and Mismatch if there is another commit.
    """
    if not files:
        return
    attempt(tally, hub.ensure_repository, hub.address)
    try:
        operations = hub.upload(files)
    except LostConnection as error:
        raise gave_up(hub.address, str(error)) from None
    sent = False

    def request() -> None:
        nonlocal sent
        if not (sent and hub.has_made(files)):
            sent = True
            hub.write(operations, message)

    attempt(tally, request, hub.address)


def tag(hub: Hub, seal: str, tally: Tally) -> None:
    """Makes sure that the seal is a tag, of the known commit unless it is one: a push may have stopped before it."""
    attempt(tally, lambda: hub.tag(seal), hub.address)
