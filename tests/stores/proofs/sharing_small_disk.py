"""Pushes and pulls a store onto disks that are too small at every page and file, makes room, compares; a script.

`python sharing_small_disk.py FOLDER`, with the right to mount and `tests` on PYTHONPATH, prints what it saw as JSON.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

from stores.support.small_store import SmallStore, tree
from support.tmpfs import tmpfs

import dgkd_stores.format.layout
from dgkd_stores import DgkdError, NoSpace, convert, pull, push, verify

ENOUGH = "size=8m,nr_inodes=1000"

# Every file of it takes a page.
SMALL = SmallStore(views=2, samples=36, encoding="uint8")
dgkd_stores.format.layout.ONE_CHUNK_BYTES, dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 400, 500


def filled(work: Callable[[], object], store: Path) -> bool:
    """Returns True if the disk was full; then nothing lies there that looks like a store and is not the whole one."""
    try:
        work()
    except NoSpace as error:
        assert error.exit_code == 14 and "run the same command again" in str(error), error
        found = None
        with contextlib.suppress(DgkdError):
            found = verify(store)
        assert found is None or verify(store, full=True).exit_code == 0
        return True
    return False


def main(folder: Path) -> None:
    whole, packed, disk = folder / "a.zarr", folder / "a.h5", folder / "disk"
    SMALL.write(whole)
    convert(whole, packed)
    for store in (whole, packed):
        push(store, str(folder / store.suffix[1:]))
    verbs: dict[str, tuple[Callable[[], object], str]] = {
        "push": (lambda: push(whole, str(disk), jobs=2), "a.zarr"),
        "push of a file": (lambda: push(packed, str(disk)), "a.h5"),
        "pull": (lambda: pull(str(folder / "zarr"), disk, jobs=2), "a.zarr"),
        "pull of a file": (lambda: pull(str(folder / "h5"), disk), "a.h5"),
        "pull of views": (lambda: pull(str(folder / "zarr"), disk, views=range(1, 2)), "a-1-2.zarr"),
    }
    seen = dict[str, int]()
    for verb, (work, name) in verbs.items():
        with tmpfs(disk, ENOUGH):
            work()
            reference = tree(disk)
        for what, option, first, step in (
            ("pages", "size={}k,nr_inodes=1000", 4, 4),
            ("files", "size=8m,nr_inodes={}", 2, 1),
        ):
            rooms = []
            for room in itertools.count(first, step):
                with tmpfs(disk, option.format(room)) as remount:
                    if not filled(work, disk / name):
                        break
                    rooms.append(room)
                    remount(ENOUGH)
                    work()
                    assert tree(disk) == reference, (verb, what, room)
            # One store on a disk that grows by one page, or by one file, at a time.
            with tmpfs(disk, option.format(rooms[0])) as remount:
                grown = 0
                while filled(work, disk / name):
                    grown += 1
                    remount(option.format(rooms[0] + grown * step))
                assert tree(disk) == reference, (verb, what)
            seen[f"{verb}, {what}"] = len(rooms)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
