"""Kills a writer at every system call that changes the disk, goes on, and compares; a script of its own.

`python kill_points.py FOLDER` prints the number of points last. It forks, so it stays free of threads.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from conftest import SmallStore, tree

import dgkd_stores.layout
from dgkd_stores import GuideStore

CHANGING = ("open", "write", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir")


def die_at(point: int) -> None:
    """Make the process die at its `point`-th change of the disk; a write is cut in half."""
    left = itertools.count(1)

    def deadly(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return really(*args, **kwargs)
            if next(left) == point:
                if name == "write":
                    really(args[0], bytes(args[1])[: len(args[1]) // 2])
                os._exit(9)
            return None if name == "fsync" else really(*args, **kwargs)

        return call

    for name in CHANGING:
        setattr(os, name, deadly(name, getattr(os, name)))


def in_child(action: Callable[[], Any]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_what_is_vouched_for(small: SmallStore, path: Path) -> None:
    """Every row that an unfinished store gives out is the right one."""
    if not path.exists():
        return
    with GuideStore.open(path, allow_incomplete=True) as store:
        for view, block in np.argwhere(store._done.reshape(small.views, -1)).tolist():
            rows = np.arange(block * small.digest_rows, min((block + 1) * small.digest_rows, small.samples))
            got = store.gather(np.full(len(rows), view), rows)
            assert (got == small.logits(view)[rows]).all()


def main(folder: Path) -> None:
    dgkd_stores.layout.ONE_CHUNK_BYTES, dgkd_stores.layout.TARGET_CHUNK_BYTES = 400, 500
    small = SmallStore(views=2, samples=20)
    whole = folder / "whole.zarr"
    small.write(whole)
    reference = tree(whole)
    for point in itertools.count(1):
        place = folder / str(point)
        place.mkdir()
        path = place / "a.zarr"

        def killed(point: int = point, path: Path = path) -> None:
            die_at(point)
            small.write(path)

        status = in_child(killed)
        if status == 0:
            break
        assert status == 9, status
        check_what_is_vouched_for(small, path)
        assert small.write(path) is not None
        assert tree(path) == reference, point
        assert [left.name for left in place.iterdir()] == ["a.zarr"], point
    print(point - 1)


if __name__ == "__main__":
    os.fsync = lambda handle: None
    main(Path(sys.argv[1]))
