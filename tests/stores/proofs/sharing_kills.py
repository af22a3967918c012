"""Kills pushes and pulls at random moments, goes on, and compares; a script of its own, with nothing patched.

`python sharing_kills.py FOLDER SEED KILLS ENCODING` publishes a store in a folder again and again, and pulls it, until
KILLS pushes and KILLS pulls have died on their way, and prints what it saw as JSON. After each kill nothing takes what
lies there for a whole store unless it is one, and the same call ends as if nothing had happened.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stores.support.small_store import SmallStore, tree

import dgkd_stores.format.layout
from dgkd_stores import DgkdError, pull, push, read_header, verify

SMALL = SmallStore(views=12, samples=60, encoding="uint8")
dgkd_stores.format.layout.ONE_CHUNK_BYTES, dgkd_stores.format.layout.TARGET_CHUNK_BYTES = 400, 500


def forked(work: Callable[[], object], after: float | None) -> bool:
    """Runs `work` in a process that is killed after so many seconds; returns True if it died of that."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL), f"it failed of itself, with code {code}"
    return code != 0


def check_whole_or_not_there(store: Path) -> str:
    try:
        read_header(store)
    except DgkdError as error:
        assert error.exit_code == 10, error
        return "no store"
    assert verify(store, full=True).exit_code == 0
    return "whole"


def main(folder: Path, seed: int, kills: int) -> None:
    draw, seen = random.Random(seed), Counter[str]()
    source = folder / "a.zarr"
    SMALL.write(source)
    place, got = folder / "place", folder / "got"
    for verb, work, target in (
        ("push", lambda: push(source, str(place)), place),
        ("pull", lambda: pull(f"{place}/a.zarr", got), got),
    ):
        if verb == "pull":
            push(source, str(place))
        begun = time.perf_counter()
        forked(work, None)
        length = time.perf_counter() - begun
        while seen[verb] < kills:
            shutil.rmtree(target)
            for _ in range(draw.randrange(1, 4)):
                if forked(work, draw.uniform(0, 1.1 * length)):
                    seen[verb] += 1
                    seen[f"{verb}: {check_whole_or_not_there(target / 'a.zarr')}"] += 1
            forked(work, None)
            assert tree(target / "a.zarr") == tree(source)
            names = {"a.zarr"} | ({"README.md", "croissant.json"} if verb == "push" else set())
            assert set(os.listdir(target)) == names, os.listdir(target)
    print(json.dumps(seen))


if __name__ == "__main__":
    SMALL.encoding = sys.argv[4]
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
