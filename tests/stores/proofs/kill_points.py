"""Kills a writer at every system call that changes the disk, goes on, and compares; a script of its own.

`python kill_points.py FOLDER ENCODING SHARDS` prints the number of points last. It forks, so it stays
free of threads.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import numpy as np
from stores.support.small_store import SmallStore, tree
from support.dying import die_at, in_child

import dgkd_stores.format.layout
from dgkd_stores import GuideStore


def check_what_is_given_out(path: Path, whole: Path) -> int:
    """Every row that an unfinished store gives out is the right one; the number of blocks it has."""
    if not path.exists():
        return 0
    with GuideStore.open(path, allow_incomplete=True) as earlier:
        # Another writer may go on meanwhile: what is done before the store is opened, it gives out.
        done = np.argwhere(earlier.container.blocks_done(earlier.container.digests())).tolist()
    with GuideStore.open(path, allow_incomplete=True) as store, GuideStore.open(whole) as reference:
        samples, rows = store.header.dataset.samples, store.header.digest_rows
        for view, block in done:
            samples_B = np.arange(block * rows, min((block + 1) * rows, samples))
            views_B = np.full(len(samples_B), store.views.start + view)
            assert (store.gather(views_B, samples_B) == reference.gather(views_B, samples_B)).all()
        return len(done)


def main(folder: Path, encoding: str, shards: int) -> None:
    dgkd_stores.format.layout.ONE_CHUNK_BYTES, dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 400, 500
    small = SmallStore(views=2, samples=36, encoding=encoding)
    whole = folder / "whole.zarr"
    small.write(whole)
    reference = tree(whole)
    shares = [small.header.view_range] if shards == 1 else [range(0, 1), range(1, 2)]
    points = 0
    # Which share is killed, and whether the other one is written before that, or between the kill and the resumption.
    for mine, others_first in itertools.product(shares, [False, True][: len(shares)]):
        others = [share for share in shares if share != mine]
        for point in itertools.count(1):
            place = folder / f"{mine.start}-{others_first}-{point}"
            place.mkdir()
            path = place / "a.zarr"

            def killed(point: int = point, path: Path = path, mine: range = mine) -> None:
                die_at(point)
                small.write(path, views=mine)

            for other in others if others_first else []:
                small.write(path, views=other)
            status = in_child(killed)
            if status == 0:
                break
            assert status == 9, status
            check_what_is_given_out(path, whole)
            for other in [] if others_first else others:
                small.write(path, views=other)
            assert small.write(path, views=mine) is not None
            assert tree(path) == reference, place
            assert [left.name for left in place.iterdir()] == ["a.zarr"], place
            points += 1
    print(points)


if __name__ == "__main__":
    os.fsync = lambda handle: None
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
