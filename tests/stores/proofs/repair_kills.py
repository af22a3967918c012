"""Kills a repair at every system call that changes the disk, repairs again, and compares; a script of its own.

`python repair_kills.py FOLDER ENCODING` prints the number of points last. It forks, so it stays free of threads.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from pathlib import Path

from stores.support.damage import flip, mend
from stores.support.small_store import SmallStore, tree
from support.dying import die_at, in_child

import dgkd_stores.format.layout


def everything(path: Path) -> None:
    """Damages what the seal proves, an array, and rows under proven digests."""
    flip(path / "probe" / "zarr.json", 9)
    flip(path / "digest" / "c.0.0.0", 9)
    flip(path / "logits" / "c.0.2.0", -1)
    (path / "test_logits" / "c.0.0").unlink()
    flip(path / "logits" / "c.1.0.0", 0)
    (path / "logits" / "c.1.1.0").unlink()


def digests_with_their_rows(path: Path) -> None:
    """Rows that only the whole of a view's digests can prove."""
    (path / "digest" / "c.1.0.0").unlink()
    flip(path / "logits" / "c.1.1.0", 0)


def unsealed(path: Path) -> None:
    """A dump that was stopped, with a damaged row in what it had done."""
    shutil.rmtree(path)
    SMALL.write(path, chunks=4)
    flip(path / "logits" / "c.0.1.0", 0)


def main(folder: Path) -> None:
    whole, points = folder / "whole.zarr", 0
    SMALL.write(whole)
    reference = tree(whole)
    for spoil in (everything, digests_with_their_rows, unsealed):
        for point in itertools.count(1):
            place = folder / f"{spoil.__name__}-{point}"
            path = place / "a.zarr"
            shutil.copytree(whole, path)
            spoil(path)
            damaged = tree(path)

            def killed(point: int = point, path: Path = path) -> None:
                die_at(point)
                mend(SMALL, path)

            status = in_child(killed)
            if status == 0:
                break
            assert status == 9, status
            if spoil is not unsealed:
                for name, data in tree(path).items():
                    assert data in (damaged.get(name, ...), reference[name]), (
                        f"{place}: {name} is neither old nor right"
                    )
            mend(SMALL, path)
            assert tree(path) == reference, place
            assert [left.name for left in place.iterdir()] == ["a.zarr"], place
            points += 1
        shutil.rmtree(place)
    print(points)


SMALL = SmallStore(views=2, samples=36)

if __name__ == "__main__":
    os.fsync = lambda handle: None
    SMALL.encoding = sys.argv[2]
    row = SMALL.header.row_bytes  # two chunks of 16 rows a view, and one of what is left
    dgkd_stores.format.layout.ONE_CHUNK_BYTES, dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 14 * row, 17 * row
    main(Path(sys.argv[1]))
