"""Publishes a store object by object, each by a create-only request: to a folder or object storage."""

from __future__ import annotations

from collections.abc import Mapping

from dgkd_stores.errors import Mismatch
from dgkd_stores.sharing.beside import publish_beside
from dgkd_stores.sharing.inventory import ROOT, RowFiles
from dgkd_stores.sharing.one_guide import OTHER_PLACE, require_place
from dgkd_stores.sharing.parallel import in_parallel
from dgkd_stores.sharing.publication import Publication
from dgkd_stores.sharing.remote import Found, WritableRemote
from dgkd_stores.sharing.requests import attempt, ensure

__all__ = ["ObjectPublication"]


class ObjectPublication(Publication[WritableRemote]):
    """A publication that is compared as it is sent."""

    _lost = ("every file of the store in the place's list", "run the same command again: it sends what is missing")

    def run(self, beside: Mapping[str, bytes], *, jobs: int) -> None:
        with self._remote.publishing(self._name):
            super().run(beside, jobs=jobs)

    def _list(self) -> Mapping[str, Found]:
        listed = attempt(self._tally, lambda: self._remote.names(f"{self._name}/"), self._name)
        found = {name.removeprefix(f"{self._name}/"): one for name, one in listed.items()}
        for file, one in found.items():
            size = self._inventory.sizes.get(file)
            if size != one.size:
                raise Mismatch(
                    f"{self._address}/{file} is there already and is not of this store",
                    expected="no file of that name" if size is None else f"{size} bytes",
                    found=f"{one.size} bytes",
                    do=OTHER_PLACE,
                )
        return found

    def _send_files(self, jobs: int) -> None:
        for file in self._inventory.first():
            self._send(file, self._inventory.read(file))
        in_parallel(self._send_rows, self._inventory.rows(), jobs=jobs, tally=self._tally)

    def _send_root(self, beside: Mapping[str, bytes]) -> None:
        self._send(ROOT, self._inventory.read(ROOT))
        require_place(self._remote, self._name, self._tally)
        publish_beside(self._remote, beside, self._tally)

    def _send_rows(self, files: RowFiles) -> None:
        for file, data in self._inventory.read_rows(files).items():
            self._send(file, data)

    def _send(self, file: str, data: memoryview) -> None:
        if not ensure(self._remote, f"{self._name}/{file}", data, self._tally, there=self._there.get(file)):
            raise Mismatch(
                f"another store lies, or is being published, at {self._address}",
                expected=f"{file} of the store with the seal {self._inventory.seal}",
                found="other content",
                do=OTHER_PLACE,
            )
        self._tally.advance(len(data))
