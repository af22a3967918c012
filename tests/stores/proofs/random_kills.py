"""Kills dumps at random moments, goes on, and compares; a script of its own, with real fsyncs and nothing patched.

`python random_kills.py FOLDER SEED KILLS ENCODING` writes a store of 30 views again and again, alone and by two shards
at once, until KILLS writers have died while they wrote, and prints what it saw as JSON. A moment is uniform over the
time that an uninterrupted dump takes, which is measured first, and again as the disk has more or less to do. It forks,
so it stays free of threads.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter, deque
from pathlib import Path

from stores.proofs.kill_points import check_what_is_given_out
from stores.support.small_store import SmallStore, tree

import dgkd_stores.format.layout
from dgkd_stores.disk.locks import writing_folder

CHECK_EVERY = 5

# Two chunks a view, of two arrays each.
SMALL = SmallStore(views=30, samples=60, encoding="uint8")
dgkd_stores.format.layout.ONE_CHUNK_BYTES, dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 400, 500


class Writer:
    """A process that writes some views, from its fork on."""

    def __init__(self, path: Path, views: range) -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                SMALL.write(path, views=views)
                os.write(write, b"done")
                status = 0
            finally:
                os._exit(status)
        os.close(write)

    def kill(self) -> bool:
        """Kill it if it is still there; whether it died before it had released its views."""
        os.kill(self.pid, signal.SIGKILL)
        return self._end() == -signal.SIGKILL

    def wait(self) -> None:
        assert self._end() == 0

    def _end(self) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        finished = os.read(self._read, 4) == b"done"
        os.close(self._read)
        assert finished or code == -signal.SIGKILL, f"it failed of itself, with code {code}"
        return 0 if finished else code


def whole_dump(path: Path) -> float:
    begun = time.perf_counter()
    Writer(path, SMALL.header.view_range).wait()
    return time.perf_counter() - begun


def main(folder: Path, seed: int, kills: int) -> None:
    whole = folder / "whole-0.zarr"
    lengths = deque((whole_dump(folder / f"whole-{number}.zarr") for number in range(5)), maxlen=5)
    reference = tree(whole)
    draw, moments, seen = random.Random(seed), [], Counter[str]()
    try:
        while seen["kills"] < kills:
            place = folder / str(seen["stores"])
            place.mkdir()
            path = place / "a.zarr"
            together = seen["stores"] % 2 == 1
            if seen["stores"] % 10 == 9:
                lengths.append(whole_dump(folder / f"whole-{len(moments)}-again.zarr"))
            usual = statistics.median(lengths)
            left = [range(0, 15), range(15, 30)] if together else [range(0, 30)]
            while left:
                writers = [(draw.uniform(0, usual), views, Writer(path, views)) for views in left]
                begun = time.perf_counter()
                for moment, views, writer in sorted(writers, key=lambda one: one[0]):
                    time.sleep(max(0.0, begun + moment - time.perf_counter()))
                    moments.append((seen["stores"], views.start, round(moment, 4)))
                    if not writer.kill():
                        left.remove(views)
                        continue
                    seen["kills"] += 1
                    seen["kills of two at once"] += together
                    locks = list(writing_folder(path).glob(f"views-{views.start}-*"))
                    seen["left a lock"] += len(locks)
                    seen["left an unfinished file"] += any(any(lock.glob("*/*")) for lock in locks)
                    if seen["kills"] % CHECK_EVERY == 0:
                        seen["blocks compared"] += check_what_is_given_out(path, whole)
            assert tree(path) == reference
            assert [one.name for one in place.iterdir()] == ["a.zarr"]
            seen["stores"] += 1
    except BaseException:
        print(f"store, first view and moment of each kill: {moments}", file=sys.stderr)
        raise
    print(json.dumps({**seen, "seconds of a dump": round(usual, 3)}))


if __name__ == "__main__":
    SMALL.encoding = sys.argv[4]
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
