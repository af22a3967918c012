"""Writes and exports a store onto disks that are too small at every page and file, makes room, compares; a script.

`python small_disk.py FOLDER`, with the right to mount and `tests` on PYTHONPATH, prints what it saw as JSON.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from stores.proofs.kill_points import check_what_is_given_out
from stores.support.small_store import SmallStore, tree
from support.tmpfs import tmpfs

import dgkd_stores.format.layout
from dgkd_stores import NoSpace, convert, verify

ENOUGH = "size=8m,nr_inodes=1000"

# Every file of it takes a page.
SMALL = SmallStore(views=2, samples=36, encoding="uint8")
dgkd_stores.format.layout.ONE_CHUNK_BYTES, dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 400, 500


def filled(path: Path, whole: Path) -> bool:
    """Returns True if the disk was full; then only finished things lie there, and they are right."""
    try:
        SMALL.write(path)
    except NoSpace as error:
        assert error.exit_code == 14
        assert [one.name for one in path.parent.iterdir()] in ([], ["a.zarr"])
        check_what_is_given_out(path, whole)
        return True
    return False


def exports(whole: Path, disk: Path, codec: str) -> int:
    """Returns the number of disks, each a page larger than the one before, that were too small for an HDF5 file."""
    for number in itertools.count():
        with tmpfs(disk, f"size={4 + 4 * number}k,nr_inodes=1000") as remount:
            try:
                convert(whole, disk / "a.h5", codec=codec)
                return number
            except NoSpace as error:
                assert error.exit_code == 14
                assert not list(disk.iterdir()), number
            remount(ENOUGH)
            convert(whole, disk / "a.h5", codec=codec)
            assert verify(disk / "a.h5", full=True).exit_code == 0
            assert [one.name for one in disk.iterdir()] == ["a.h5"], number
    raise AssertionError


def main(folder: Path) -> None:
    whole = folder / "whole.zarr"
    SMALL.write(whole)
    reference = tree(whole)
    disk = folder / "disk"
    seen = {}
    for what, option in (("pages", "size={}k,nr_inodes=1000"), ("inodes", "size=8m,nr_inodes={}")):
        step = 4 if what == "pages" else 1
        rooms = []
        # From the smallest disk that can be mounted, the root of which is an inode, to the first that is large enough.
        for room in itertools.count(4 if what == "pages" else 2, step):
            with tmpfs(disk, option.format(room)) as remount:
                if not filled(disk / "a.zarr", whole):
                    break
                rooms.append(room)
                remount(ENOUGH)
                assert not filled(disk / "a.zarr", whole)
                assert tree(disk / "a.zarr") == reference, (what, room)
                assert [one.name for one in disk.iterdir()] == ["a.zarr"], (what, room)
        # One store on a disk that grows by one page, or by one file, at a time.
        with tmpfs(disk, option.format(rooms[0])) as remount:
            grown = 0
            while filled(disk / "a.zarr", whole):
                grown += 1
                remount(option.format(rooms[0] + grown * step))
            assert tree(disk / "a.zarr") == reference
            assert [one.name for one in disk.iterdir()] == ["a.zarr"]
        seen[what] = {"sizes": len(rooms), "smallest": rooms[0], "largest": rooms[-1], "grown": grown}
    seen["exports"] = {codec: exports(whole, disk, codec) for codec in ("none", "gzip")}
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
