"""Four processes begin one store at the same moment, a view each; ten rounds; a script of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stores.support.small_store import SmallStore, tree

from dgkd_stores import GuideStore


def main(folder: Path) -> None:
    small = SmallStore(views=4)
    seal = small.write(folder / "whole.zarr")
    reference = tree(folder / "whole.zarr")
    for number in range(10):
        path = folder / str(number) / "a.zarr"
        read, write = os.pipe()
        children = []
        for view in range(4):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    os.close(write)
                    os.read(read, 1)  # All start when the parent closes its end.
                    small.write(path, views=range(view, view + 1))
                    status = 0
                finally:
                    os._exit(status)
            children.append(pid)
        os.close(read)
        os.close(write)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
        assert tree(path) == reference
        assert [left.name for left in path.parent.iterdir()] == ["a.zarr"]
        with GuideStore.open(path) as store:
            assert store.seal == seal


if __name__ == "__main__":
    os.fsync = lambda handle: None
    main(Path(sys.argv[1]))
