"""Leases: a number in each held lock that goes up while it is renewed, and ends with the lock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from stores.support.waiting import until
from support.disk import FullDisk, watched
from support.dying import in_child

from dgkd_stores.disk import ViewLock, renewing
from dgkd_stores.disk.leases import read_lease


def lock(folder: Path, first: int = 0) -> ViewLock:
    return ViewLock(folder / "a.zarr", range(first, first + 1), guide="ta1")


def place(folder: Path, first: int = 0) -> Path:
    return folder / "a.zarr.writing" / f"views-{first}-{first}"


def number(folder: Path, first: int = 0) -> int:
    lease = read_lease(place(folder, first))
    assert lease is not None
    return int(lease[1])


def test_a_lock_has_its_first_lease_when_it_appears(tmp_path: Path) -> None:
    """A process that is killed at any moment after it has leaves a lock whose lease stands still."""
    seen = []

    def appears(name: str, path: Path) -> None:
        if name == "rename" and path == place(tmp_path):
            (new,) = path.parent.glob("new-*")
            seen.append(read_lease(new))

    with renewing(), watched(appears), lock(tmp_path) as held:
        assert seen == [read_lease(place(tmp_path))] and seen[0] is not None
        assert seen[0][0] == held.folder.name


def test_leases_are_renewed_again_and_again(tmp_path: Path) -> None:
    with lock(tmp_path, 0), renewing(0.001), lock(tmp_path, 1):
        for _ in range(3):
            before = [number(tmp_path, 0), number(tmp_path, 1)]
            until(lambda before=before: number(tmp_path, 0) > before[0] and number(tmp_path, 1) > before[1])


def test_without_renewal_there_is_no_lease(tmp_path: Path) -> None:
    with lock(tmp_path) as held:
        assert read_lease(place(tmp_path)) is None
        with renewing(0.001):
            until(lambda: read_lease(place(tmp_path)) is not None)
        assert read_lease(place(tmp_path)) is None and os.listdir(held.folder) == []
    assert list(tmp_path.iterdir()) == []


def test_releasing_beside_renewals_leaves_nothing(tmp_path: Path) -> None:
    with renewing(0):
        for _ in range(30):
            lock(tmp_path).release()
            assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_taken_over_is_not_renewed(tmp_path: Path) -> None:
    with renewing(0.001), lock(tmp_path, 0), lock(tmp_path, 1):
        taken = place(tmp_path).rename(tmp_path / "taken")
        before, other = read_lease(taken), number(tmp_path, 1)
        until(lambda: number(tmp_path, 1) > other + 5)
        assert read_lease(taken) == before
        assert not place(tmp_path).exists()


def test_a_full_disk_ends_no_renewal(tmp_path: Path) -> None:
    with lock(tmp_path), renewing(0.001):
        until(lambda: read_lease(place(tmp_path)) is not None)
        disk = FullDisk(1, names=("write",), code=28, lasting=True)
        with watched(disk):
            until(lambda: disk.left < -3)
        before = number(tmp_path)
        until(lambda: number(tmp_path) > before)
        assert len(os.listdir(next(place(tmp_path).glob("*/")))) <= 2, "the lease, and one that is being written"


def test_a_forked_child_renews_nothing(tmp_path: Path) -> None:
    def in_the_child() -> None:
        with lock(tmp_path, 1):
            assert read_lease(place(tmp_path, 1)) is None
            with renewing(0.001):
                until(lambda: read_lease(place(tmp_path, 1)) is not None)
                at, now = number(tmp_path, 0), number(tmp_path, 1)
                until(lambda: number(tmp_path, 1) > now + 5)
                assert number(tmp_path, 0) == at

    with renewing(3600), lock(tmp_path, 0):
        assert in_child(in_the_child) == 0


@pytest.mark.parametrize("what", ["nothing", "a link", "a folder", "too large", "a file in place of the folder"])
def test_what_is_no_lease_is_none(tmp_path: Path, what: str) -> None:
    with lock(tmp_path) as held:
        there = held.folder / "lease"
        makers: dict[str, Any] = {
            "nothing": lambda: None,
            "a link": lambda: there.symlink_to(tmp_path),
            "a folder": there.mkdir,
            "too large": lambda: there.write_bytes(b"1" * 65),
            "a file in place of the folder": lambda: (place(tmp_path) / "0").write_text("1"),
        }
        makers[what]()
        assert read_lease(place(tmp_path)) is None
    assert read_lease(place(tmp_path)) is None
