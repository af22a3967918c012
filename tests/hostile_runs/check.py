"""The corpus, or a share of it, case by case; a script.

    python tests/hostile_runs/check.py --count 5200 --shard 0/4
    python tests/hostile_runs/check.py --count 5200 --only 1234
    python tests/hostile_runs/check.py --count 5200 --draw 100 --commands

Prints each broken promise, and last, as JSON, how many cases of each kind ended with which exit codes.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile_runs.bases import STATES, make_bases
from hostile_runs.children import Finding, attempt, meet, without_syncs
from hostile_runs.corpus import LOOKING, WORKING, Case, cases, command
from hostile_runs.judge import faults

__all__ = ["check"]


def check(chosen: list[Case], bases: Path, folder: Path, *, commands: bool = False) -> tuple[list[str], Counter[str]]:
    """Broken promises in those cases, and how they ended."""
    untouched: dict[tuple[str, str, str], Finding] = {}
    broken: list[str] = []
    ended: Counter[str] = Counter()
    for case in chosen:
        key = (case.state, case.run, case.verb)
        if key not in untouched:
            untouched[key] = meet(case, bases, folder, untouched=True)
            assert not untouched[key].died, case
        verbs = [(*LOOKING, case.verb)[case.number % (len(LOOKING) + 1)]] if commands else []
        found = meet(case, bases, folder, verbs=verbs)
        broken += faults(case, found, untouched[key])
        for verb, one in found.verbs.items():
            ended[f"{verb} {one.code}"] += 1
    return broken, ended


def warm_up(bases: Path, folder: Path) -> None:
    """Every verb once in this process: what is imported, its children need not import."""
    for state in STATES:
        for verb in (*LOOKING, *WORKING[state]):
            shutil.copytree(bases / state, folder / "warm")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                attempt(["-q", "-w", str(folder / "warm"), *command(verb, "teacher")])
            shutil.rmtree(folder / "warm")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5200)
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--draw", type=int)
    parser.add_argument("--commands", action="store_true")
    given = parser.parse_args()
    shard, shards = map(int, given.shard.split("/"))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        bases, folder = Path(made) / "bases", Path(made) / "work"
        bases.mkdir()
        folder.mkdir()
        without_syncs()
        make_bases(bases)
        warm_up(bases, folder)
        gc.collect()
        gc.freeze()  # or each child copies what its collector touches
        chosen = cases(bases, given.count)
        if given.commands:
            # Another user may have no right to this Python.
            chosen = [case for case in chosen if case.change != "unreadable"]
        if given.only is not None:
            chosen = [case for case in chosen if case.number in given.only]
        if given.draw is not None:
            chosen = random.Random(given.draw).sample(chosen, given.draw)
        chosen = chosen[shard::shards]
        broken, ended = check(chosen, bases, folder, commands=given.commands)
    print("\n".join(broken))
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"cases": len(chosen), "broken": len(broken), "seconds": seconds, "ended": ended}))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
