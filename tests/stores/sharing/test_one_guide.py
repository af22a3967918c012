"""A place holds one guide: any other one is refused before anything is sent, and of two pushes at once one wins."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from random import Random

import pytest
from stores.support.small_store import tree

from dgkd_stores import Mismatch, Pushed, convert, pull, push
from dgkd_stores.sharing.folder import Folder


def test_another_guide_is_there(path: Path, place: Path, tmp_path: Path) -> None:
    before = tree(place)
    convert(path, tmp_path / "a.h5")
    for store, address in ((path, f"{place}/b.zarr"), (tmp_path / "a.h5", str(place)), (path, f"{place}/b.ZARR")):
        for dry_run in (True, False):
            with pytest.raises(Mismatch, match=r"another guide lies at .*found a\.zarr; choose another place") as told:
                push(store, address, dry_run=dry_run)
            assert told.value.exit_code == 13 and tree(place) == before
    shutil.rmtree(place / "a.zarr")
    push(tmp_path / "a.h5", str(place))
    with pytest.raises(Mismatch, match=r"found a\.h5;"):
        push(path, str(place))


def test_what_was_begun_has_the_place_and_a_finished_one_keeps_it(path: Path, place: Path, tmp_path: Path) -> None:
    os.rename(place / "a.zarr", place / "b.zarr")
    root = (place / "b.zarr" / "zarr.json").read_bytes()
    (place / "b.zarr" / "zarr.json").unlink()
    with pytest.raises(Mismatch, match=r"found b\.zarr, not finished"):
        push(path, str(place))
    push(path, f"{place}/b.zarr")
    assert (place / "b.zarr" / "zarr.json").read_bytes() == root
    shutil.copytree(place / "b.zarr" / "label", place / "a.zarr" / "label")  # of a push that was told
    assert push(path, f"{place}/b.zarr").sent_files == 0
    assert pull(str(place), tmp_path / "got").path == tmp_path / "got" / "b.zarr"
    (place / "b.zarr" / "zarr.json").unlink()
    with pytest.raises(Mismatch, match=r"found a\.zarr, not finished"):
        push(path, f"{place}/b.zarr")
    (place / "b.zarr" / "zarr.json").write_bytes(root)
    (place / "a.zarr" / "zarr.json").write_bytes(root)
    with pytest.raises(Mismatch, match=r"found a\.zarr;"):
        push(path, f"{place}/b.zarr")


class Steps:
    """Lets two threads go on by one request at a time, in an order that a seed draws."""

    def __init__(self, seed: int) -> None:
        self.random, self.condition, self.alive, self.turn = Random(seed), threading.Condition(), ["a", "b"], "a"

    def step(self, name: str) -> None:
        with self.condition:
            self.turn = self.random.choice(self.alive)
            self.condition.notify_all()
            assert self.condition.wait_for(lambda: self.turn == name, timeout=60)

    def end(self, name: str) -> None:
        with self.condition:
            self.alive.remove(name)
            self.turn = "".join(self.alive)
            self.condition.notify_all()


class Stepped(Folder):
    """A folder whose requests go by steps, for the push that opened it."""

    steps: Steps

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name = threading.current_thread().name

    def tops(self) -> frozenset[str]:
        self.steps.step(self.name)
        return super().tops()

    def create(self, name: str, data: bytes | memoryview) -> bool:
        self.steps.step(self.name)
        return super().create(name, data)


@pytest.mark.parametrize("seed", range(6))
def test_two_names_at_once(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr("dgkd_stores.sharing.push.open_place", lambda address, **more: Stepped(address.folder))
    monkeypatch.setattr(Stepped, "steps", Steps(seed), raising=False)
    outcomes = dict[str, Pushed | Mismatch]()

    def one() -> None:
        name = threading.current_thread().name
        try:
            outcomes[name] = push(path, f"{tmp_path}/place/{name}.zarr", jobs=1)
        except Mismatch as told:
            outcomes[name] = told
        finally:
            Stepped.steps.end(name)

    threads = [threading.Thread(target=one, name=name) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (name for name, outcome in outcomes.items() if isinstance(outcome, Pushed))
    assert len(outcomes) == 2
    assert pull(str(tmp_path / "place"), tmp_path / "got").path == tmp_path / "got" / f"{winner}.zarr"
    assert f"{winner}.zarr" in (tmp_path / "place" / "README.md").read_text()
