"""A lock elsewhere is removed once its lease has stood still for long enough on the reader's clock, and only then."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.holder import FAR, disguise

from dgkd_stores import Locked
from dgkd_stores.disk import PATIENCE, RENEWAL, LeaseWatch, ViewLock
from dgkd_stores.disk.expiry import folder_lock


class Host:
    """Another host that reads leases, with a clock of its own, which goes on only in steps."""

    def __init__(self, store: Path) -> None:
        self.store, self.now = store, 5000.0
        self._watch = LeaseWatch(clock=lambda: self.now)

    def looks(self, *, seconds: float, every: float = 1.0) -> list[str]:
        """Looks again and again; the owners whose locks were removed."""
        found = []
        for _ in range(round(seconds / every)):
            found += self._watch.look(self.store, ViewLock.names)
            self.now += every
        return [str(owner) for owner in found]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "a.zarr"


@pytest.fixture
def lock(store: Path) -> Iterator[ViewLock]:
    """A lock of a process on another host, with a lease."""
    with ViewLock(store, range(0, 3), guide="ta1") as held:
        disguise(held, **FAR)
        renew(held, 1)
        yield held


def renew(lock: ViewLock, number: int) -> None:
    (lock.folder / "lease").write_text(str(number))


def place(store: Path) -> Path:
    return store.with_name("a.zarr.writing") / "views-0-2"


def test_a_dead_holder_elsewhere_is_removed_after_the_patience(store: Path, lock: ViewLock) -> None:
    host = Host(store)
    assert host.looks(seconds=PATIENCE) == []
    lock.check()
    assert host.looks(seconds=1) == ["process 1 on host far-away"]
    assert not place(store).exists()
    with pytest.raises(Locked, match=r"were taken over: expected the lock of process .*, found none"):
        lock.check()
    with ViewLock(store, range(2, 4), guide="ta1") as new:
        lock.release()
        new.check()


def test_a_holder_that_renews_is_left(store: Path, lock: ViewLock) -> None:
    host = Host(store)
    for number in range(2, 6):
        assert host.looks(seconds=PATIENCE - 1) == []
        renew(lock, number)
    lock.check()


def test_the_holder_of_a_new_lock_is_not_the_one_of_before(store: Path, lock: ViewLock) -> None:
    """Its lease may have the same number."""
    host = Host(store)
    assert host.looks(seconds=PATIENCE) == []
    lock.release()
    with ViewLock(store, range(0, 3), guide="ta1") as new:
        disguise(new, **FAR)
        renew(new, 1)
        assert host.looks(seconds=PATIENCE) == []
        new.check()


def test_a_reader_that_stood_still_itself_begins_again(store: Path, lock: ViewLock) -> None:
    """Neither its own pause nor an outage of the disk, in which nobody could renew, counts."""
    host = Host(store)
    for _ in range(5):
        assert host.looks(seconds=PATIENCE - 1) == []
        host.now += RENEWAL + 1
    lock.check()
    assert host.looks(seconds=PATIENCE + RENEWAL, every=RENEWAL / 2) == ["process 1 on host far-away"]


def test_a_lock_without_a_lease_is_left(store: Path, lock: ViewLock) -> None:
    """Its holder renews nothing, so that nothing is known of it."""
    (lock.folder / "lease").unlink()
    assert Host(store).looks(seconds=3 * PATIENCE) == []
    lock.check()


def test_a_live_holder_on_this_host_is_left(store: Path, holder: object) -> None:
    """It may be paused, but it is seen to be alive."""
    (folder,) = store.with_name("a.zarr.writing").glob("views-0-9/*/")
    (folder / "lease").write_text("1")
    assert Host(store).looks(seconds=3 * PATIENCE) == []
    assert folder.is_dir()


@pytest.mark.parametrize("what", ["renewed", "released", "taken over by another"])
def test_what_changes_at_the_last_moment_is_left(
    store: Path, lock: ViewLock, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = contextlib.ExitStack()

    @contextlib.contextmanager
    def waited(folder: Path, **settings: object) -> Iterator[None]:
        if what == "renewed":
            renew(lock, 2)
        else:
            lock.release()
        if "another" in what:
            later.enter_context(ViewLock(store, range(0, 3), guide="ta1"))
        with folder_lock(folder):
            yield

    host = Host(store)
    with later, monkeypatch.context() as patch:
        patch.setattr("dgkd_stores.disk.expiry.folder_lock", waited)
        assert host.looks(seconds=PATIENCE + 5) == []
        assert place(store).exists() == (what != "released")


def test_nothing_there_is_nothing_to_see(store: Path) -> None:
    assert Host(store).looks(seconds=3) == []
    (place(store).parent / ("new-" + "1" * 32)).mkdir(parents=True)
    (place(store).parent / "notes").mkdir()
    assert Host(store).looks(seconds=3) == []
    assert len(os.listdir(place(store).parent)) == 2
