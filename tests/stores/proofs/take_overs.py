"""Takes the views of a live writer over at a random moment, because somebody was wrong about it; a script of its own.

`python take_overs.py FOLDER SEED ROUNDS` lets a writer of "another host" and a second one that takes it for dead write
the same store at once, compares, and prints what it saw as JSON. It forks, so it stays free of threads.
"""

from __future__ import annotations

import json
import os
import random
import socket
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from stores.proofs.random_kills import SMALL, whole_dump
from stores.support.small_store import tree

from dgkd_stores import DgkdError


def writer(path: Path, *, host: str, take_over: bool) -> int:
    """The process of a writer that ends with its error's exit code."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            socket.gethostname = lambda: host
            SMALL.write(path, take_over=take_over)
            status = 0
        except DgkdError as error:
            status = error.exit_code
        finally:
            os._exit(status)
    return pid


def main(folder: Path, seed: int, rounds: int) -> None:
    usual = statistics.median(whole_dump(folder / f"whole-{number}.zarr") for number in range(5))
    reference = tree(folder / "whole-0.zarr")
    draw, ends = random.Random(seed), Counter[int]()
    for number in range(rounds):
        moment = draw.uniform(0, usual)
        path = folder / str(number) / "a.zarr"
        path.parent.mkdir()
        first = writer(path, host="far-away", take_over=False)
        time.sleep(moment)
        second = writer(path, host="here", take_over=True)
        end, last = (os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (first, second))
        assert end in (0, 11) and last == 0, (number, moment, end, last)
        assert tree(path) == reference, (number, moment)
        assert [one.name for one in path.parent.iterdir()] == ["a.zarr"], (number, moment)
        ends[end] += 1
    print(json.dumps({"rounds": rounds, "finished before": ends[0], "stopped": ends[11]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
