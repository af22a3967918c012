"""Kills an export at every system call that changes the disk, exports again, and compares; a script of its own.

`python export_kills.py FOLDER` prints the number of points last. It forks, so it stays free of threads.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from stores.support.small_store import SmallStore
from support.dying import die_at, in_child

import dgkd_stores.format.layout
from dgkd_stores import convert, verify


def main(folder: Path) -> None:
    SmallStore(views=2, samples=36, encoding="uint8").write(folder / "whole.zarr")
    points = 0
    for codec in ("none", "gzip"):
        seal = convert(folder / "whole.zarr", folder / f"{codec}.h5", codec=codec).seal
        for point in itertools.count(1):
            place = folder / f"{codec}-{point}"
            place.mkdir()
            path = place / "a.h5"

            def killed(point: int = point, path: Path = path, codec: str = codec) -> None:
                die_at(point)
                convert(folder / "whole.zarr", path, codec=codec)

            status = in_child(killed)
            if status == 0:
                break
            assert status == 9, status
            finished = path.exists()
            if finished:
                assert (verify(path, full=True).exit_code, verify(path).seal) == (0, seal), place
            assert convert(folder / "whole.zarr", path, codec=codec).seal == seal
            assert path.read_bytes() == (folder / f"{codec}.h5").read_bytes(), place
            # A finished file is left as it is, and what lies beside it with it.
            assert {left.name for left in place.iterdir()} <= {"a.h5", *["a.h5.writing"][: int(finished)]}, place
            points += 1
    print(points)


if __name__ == "__main__":
    os.fsync = lambda handle: None
    dgkd_stores.format.layout.ONE_CHUNK_BYTES, dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 400, 500
    main(Path(sys.argv[1]))
