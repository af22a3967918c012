"""The order of a publication: whole or visibly not, at every point, and one of two stores wins."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stores.support.small_store import tree

from dgkd_stores import Mismatch, StoreNotFound, read_header, verify
from dgkd_stores.sharing.folder import Folder
from dgkd_stores.sharing.inventory import Inventory
from dgkd_stores.sharing.object_publication import ObjectPublication
from dgkd_stores.sharing.parallel import Tally


class Recorded(Folder):
    """A folder that stops after a number of new objects."""

    def __init__(self, path: Path, most: int = 10**9) -> None:
        super().__init__(path)
        self.order, self.most = list[str](), most

    def create(self, name: str, data: bytes | memoryview) -> bool:
        if len(self.order) >= self.most:
            raise InterruptedError
        created = super().create(name, data)
        if created:
            self.order.append(name.removeprefix("a.zarr/"))
        return created


def publish(path: Path, remote: Folder, tally: Tally) -> None:
    ObjectPublication(Inventory(path), "a.zarr", remote, tally).run({}, jobs=2)


def test_the_order(path: Path, tmp_path: Path, tally: Tally) -> None:
    remote = Recorded(tmp_path / "place")
    publish(path, remote, tally)
    rows = [number for number, name in enumerate(remote.order) if name.startswith("logits/c")]
    assert remote.order[-1] == "zarr.json" and rows == list(
        range(len(remote.order) - 1 - len(rows), len(remote.order) - 1)
    )


def test_stopped_anywhere_it_is_no_store_and_goes_on(path: Path, tmp_path: Path) -> None:
    count = len(Inventory(path).sizes)
    for most in range(1, count, 5):
        with pytest.raises(InterruptedError):
            publish(path, Recorded(tmp_path / "place", most), Tally(0, lambda done, total: None, lambda: False))
        with pytest.raises(StoreNotFound):
            read_header(tmp_path / "place" / "a.zarr")
        remote = Recorded(tmp_path / "place")
        publish(path, remote, Tally(0, lambda done, total: None, lambda: False))
        assert tree(tmp_path / "place" / "a.zarr") == tree(path)
        assert 0 < len(remote.order) <= count - most
        shutil.rmtree(tmp_path / "place")


def test_the_first_file_that_differs_tells_the_loser(path: Path, other: Path, tmp_path: Path, tally: Tally) -> None:
    with pytest.raises(InterruptedError):
        publish(path, Recorded(tmp_path / "place", 3), tally)
    winner_alone = tree(tmp_path / "place")
    with pytest.raises(Mismatch, match="another store") as told:
        publish(other, Recorded(tmp_path / "place"), Tally(0, lambda done, total: None, lambda: False))
    assert told.value.exit_code == 13
    publish(path, Recorded(tmp_path / "place"), Tally(0, lambda done, total: None, lambda: False))
    assert verify(tmp_path / "place" / "a.zarr", full=True).exit_code == 0
    assert set(winner_alone) <= set(tree(tmp_path / "place"))
